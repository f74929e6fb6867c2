"""The hook that puts expiring tokens into requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import TypeAlias

from kithara_net._models import RangeSpec
from kithara_net._urls import shown


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NetRequest:
    """A request that is about to be sent to the address that the caller gave.

    `headers` are those of the options and of the call, without what the client adds itself.
    `refused` is the status, 401 or 403, that the request got when it was signed before; None at
    first. The representation hides the query and the values of headers.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    byte_range: RangeSpec | None
    refused: int | None = None

    def __repr__(self) -> str:
        return (
            f"NetRequest(method={self.method!r}, url={shown(self.url)!r}, "
            f"headers={list(self.headers)}, byte_range={self.byte_range}, refused={self.refused})"
        )


Sign: TypeAlias = Callable[[NetRequest], NetRequest | Awaitable[NetRequest]]
"""Gives the request to send instead: `dataclasses.replace(request, url=…, headers=…)`.

Only `url` and `headers` of what it gives count. What it raises reaches the caller as it is.
"""


async def signed(sign: Sign, request: NetRequest) -> NetRequest:
    """The request as `sign` wants it."""
    result = sign(request)
    return await result if isawaitable(result) else result


def added(before: Mapping[str, str], after: Mapping[str, str]) -> frozenset[str]:
    """The lower-case names of the headers that signing added or changed."""
    known = {(name.lower(), value) for name, value in before.items()}
    return frozenset(n.lower() for n, v in after.items() if (n.lower(), v) not in known)
