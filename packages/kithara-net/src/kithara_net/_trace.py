"""What a caller who measures is told: frozen facts, one per event, in the order of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from kithara_net._errors import NetError


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsResolved:
    """A host name was looked up, which took `seconds`."""

    url: str
    host: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A request got its connection: `reused`, or made anew in `seconds`, TLS and all.

    Waiting for a place within the limit of connections is not counted in.
    """

    url: str
    seconds: float
    reused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstByte:
    """The head of an answer arrived, `seconds` after the request was begun; redirects too."""

    url: str
    status: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BytesReceived:
    """`count` bytes of a body were handed on."""

    url: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """`error` was met, and the next try, number `attempt` without progress, begins in `delay` s."""

    url: str
    error: NetError
    attempt: int
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A broken body goes on at byte `at` of the resource; `compared` bytes before it were equal."""

    url: str
    at: int
    compared: int


TraceEvent: TypeAlias = DnsResolved | Connected | FirstByte | BytesReceived | Retried | Resumed
"""Every event has `url`: the address without query and user-info."""

Trace: TypeAlias = Callable[[TraceEvent], None]
"""Called in the event loop; it must not block, and what it raises ends the request."""
