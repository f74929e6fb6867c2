"""Facts that a caller states and reads: ranges, response heads, options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RangeSpec:
    """A half-open range of bytes `[start, stop)`; `stop=None` means "to the end".

    Raises `ValueError` for a negative start and for an empty or reversed range: HTTP cannot ask
    for nothing.
    """

    start: int
    stop: int | None = None

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"a byte range starts at 0 or later, not at {self.start}")
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"the byte range [{self.start}, {self.stop}) is empty")

    def header(self) -> str:
        """The value of the `Range` header: `bytes=0-99` for `[0, 100)`."""
        return f"bytes={self.start}-{'' if self.stop is None else self.stop - 1}"

    def __str__(self) -> str:
        return f"[{self.start}, {'end' if self.stop is None else self.stop})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """What a server says about the version of a resource. Equal validators: the same version.

    `if_range` is the value to send as `If-Range`: the entity tag if it is strong, else the date
    of the last change if it was at least a second before the answer; None if neither will do.
    """

    etag: str | None
    last_modified: str | None
    if_range: str | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ResponseHead:
    """What is known of a response before its body.

    `start` and `stop` say where in the resource this body lies, in bytes: for a 200 that is 0 and
    `total`. `stop` and `total` are None while unknown; `total` is the size of the whole resource,
    not of this body. `final_url` is the address after redirects, query and all, without user-info.
    `media_type` is lower-case and without parameters. The representation hides the query.
    """

    status: int
    final_url: str
    headers: Mapping[str, str]
    """Case-insensitive; a repeated field is joined with `", "`."""
    start: int
    stop: int | None
    total: int | None
    validator: Validator | None
    accepts_ranges: bool
    media_type: str | None

    def __repr__(self) -> str:
        address = self.final_url.partition("?")[0]
        return (
            f"ResponseHead(status={self.status}, final_url={address!r}, start={self.start}, "
            f"stop={self.stop}, total={self.total}, media_type={self.media_type!r})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedBytes:
    """A whole body, inflated if it came compressed, and the head of its response."""

    head: ResponseHead
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetOptions:
    """How `HttpClient` behaves. Timeouts are in seconds and positive; None is no limit.

    There is no limit on the whole transfer. `first_byte_timeout` runs from the sent request to
    the head of the response, `stall_timeout` while a reader waits for the next bytes of a body.
    `headers` go with every request; those of a request win over them. With `preconnect`, while a
    body without a told stop is on its way, one more connection to its server is kept open and
    idle, so that the next request need not wait for one; not in an injected session.
    """

    user_agent: str = "kithara-net"
    connect_timeout: float | None = 15.0
    first_byte_timeout: float | None = 30.0
    stall_timeout: float | None = 30.0
    max_redirects: int = 10
    connections_per_host: int = 8
    preconnect: bool = True
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "first_byte_timeout", "stall_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                raise ValueError(f"{name} must be positive or None, not {seconds}")
        if self.max_redirects < 0:
            raise ValueError(f"max_redirects must not be negative, as {self.max_redirects} is")
        if self.connections_per_host < 1:
            raise ValueError("connections_per_host must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When `RetryNet` tries again, and how long it waits. Delays in seconds, sizes in bytes.

    `max_retries` counts failures in a row: bytes that arrive reset it. A wait is drawn evenly
    from zero to a bound that starts at `base_delay` and doubles up to `max_delay`; what the
    server asks for in `Retry-After`, at most `max_retry_after`, is waited in addition.
    `probe_size` is how much is fetched twice and compared where no validator can be relied on.
    """

    max_retries: int = 5
    base_delay: float = 0.5
    max_delay: float = 20.0
    max_retry_after: float = 60.0
    probe_size: int = 64 * 1024

    def __post_init__(self) -> None:
        for name in ("max_retries", "base_delay", "max_delay", "max_retry_after"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative")
        if self.probe_size < 1:
            raise ValueError("probe_size must be at least 1")
