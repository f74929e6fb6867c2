"""Errors of kithara-net, by what a caller can do about them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from kithara_net._models import RangeSpec, Validator

_RECOVERABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class NetError(Exception):
    """Base of everything that kithara-net raises on purpose.

    `url` is the address without its query and user-info; `recoverable` says whether the same
    request may well succeed when it is made again.
    """

    recoverable: bool = False

    def __init__(self, message: str, *, url: str) -> None:
        super().__init__(f"{url}: {message}")
        self.url = url


class InvalidUrl(NetError):
    """Raised when an address cannot be fetched at all: not http(s), no host, malformed."""

    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(f"{reason}; check the address", url=url)
        self.reason = reason


class NetClosed(NetError):
    """Raised when a closed client, or a stream outside its `async with`, is used."""

    def __init__(self, *, url: str) -> None:
        super().__init__("the client or the stream was closed; open a new one", url=url)


class ConnectFailed(NetError):
    """Raised when no connection could be made: unknown host, refused, no network, TLS.

    `host` and `port` name the other side, `reason` the cause in plain words.
    """

    def __init__(
        self, *, url: str, host: str, port: int | None, reason: str, recoverable: bool
    ) -> None:
        super().__init__(f"cannot connect to {host}:{port}: {reason}", url=url)
        self.host = host
        self.port = port
        self.reason = reason
        self.recoverable = recoverable


class ConnectionLost(NetError):
    """Raised when the connection broke before the response began."""

    recoverable = True

    def __init__(self, *, url: str) -> None:
        super().__init__("the server closed the connection without an answer; try again", url=url)


class TimedOut(NetError):
    """Raised when the server was silent for too long; `phase` says while doing what.

    `seconds` is the limit that was exceeded.
    """

    recoverable = True

    def __init__(
        self,
        *,
        url: str,
        phase: Literal["connect", "first byte", "stall", "total"],
        seconds: float,
    ) -> None:
        words = {
            "connect": f"no connection within {seconds:g} s",
            "first byte": f"no answer within {seconds:g} s",
            "stall": f"no byte arrived for {seconds:g} s in the middle of the body",
            "total": f"the transfer was not done within {seconds:g} s",
        }[phase]
        super().__init__(f"{words}; try again, or raise the timeout", url=url)
        self.phase = phase
        self.seconds = seconds


class BadResponse(NetError):
    """Raised when the answer is not valid HTTP."""

    def __init__(self, *, url: str, reason: str) -> None:
        super().__init__(f"the answer is not valid HTTP ({reason})", url=url)
        self.reason = reason


class UnexpectedStatus(NetError):
    """Raised when the status is neither 200 nor a 206 that was asked for.

    `retry_after` is how many seconds the server wants to be left alone, if it said so.
    `redirected` is true where a redirect led to the server that answered so.
    """

    def __init__(
        self,
        *,
        url: str,
        status: int,
        retry_after: float | None = None,
        redirected: bool = False,
    ) -> None:
        known = status in set(HTTPStatus)
        phrase = f" ({HTTPStatus(status).phrase})" if known else ""
        self.recoverable = status in _RECOVERABLE_STATUSES
        if self.recoverable:
            advice = "try again later"
        elif status in {401, 403}:
            advice = "check the credentials, or whether the address has expired"
        else:
            advice = "check the address"
        super().__init__(f"the server answered {status}{phrase}; {advice}", url=url)
        self.status = status
        self.retry_after = retry_after
        self.redirected = redirected


class RangeNotSatisfiable(NetError):
    """Raised on 416: the range lies outside the resource; `total` is its size, if told."""

    status = 416

    def __init__(self, *, url: str, byte_range: RangeSpec | None, total: int | None) -> None:
        size = "of unknown size" if total is None else f"of {total} bytes"
        super().__init__(
            f"bytes {byte_range or 'asked for'} lie outside the resource {size} (416); "
            "ask for a range inside it",
            url=url,
        )
        self.byte_range = byte_range
        self.total = total


class RangeMismatch(NetError):
    """Raised when a 206 does not hold what was asked for; none of its bytes may be kept."""

    recoverable = True

    def __init__(self, *, url: str, byte_range: RangeSpec | None, reason: str) -> None:
        asked = "no range" if byte_range is None else f"bytes {byte_range}"
        super().__init__(
            f"asked for {asked}, but {reason}; nothing of that answer can be used", url=url
        )
        self.byte_range = byte_range
        self.reason = reason


class RedirectRefused(NetError):
    """Raised when a redirect is not followed; `location` is where it led, without a query."""

    def __init__(self, *, url: str, location: str | None, reason: str) -> None:
        where = "nowhere" if location is None else f"to {location}"
        super().__init__(f"redirected {where}, which is not followed: {reason}", url=url)
        self.location = location
        self.reason = reason


class BodyEncoded(NetError):
    """Raised before any byte when a body is coded in a way that was not asked for."""

    def __init__(self, *, url: str, encoding: str) -> None:
        super().__init__(
            f"the body is coded as {encoding!r} although that was not asked for; "
            "use a server that honours Accept-Encoding",
            url=url,
        )
        self.encoding = encoding


class BodyTruncated(NetError):
    """Raised when a body ended before its end, after the bytes that did arrive.

    `received` counts the body bytes that were handed on, `expected` is how many there should
    have been, None if the server did not say.
    """

    recoverable = True

    def __init__(self, *, url: str, received: int, expected: int | None) -> None:
        of = "an unknown number of" if expected is None else str(expected)
        super().__init__(
            f"the body broke off after {received} of {of} bytes; fetch the rest again", url=url
        )
        self.received = received
        self.expected = expected


class BodyCorrupt(NetError):
    """Raised when a compressed text cannot be inflated."""

    recoverable = True

    def __init__(self, *, url: str, encoding: str) -> None:
        super().__init__(f"the {encoding} body is damaged; fetch it again", url=url)
        self.encoding = encoding


class BodyTooLarge(NetError):
    """Raised when a whole body is larger, as sent or inflated, than `max_bytes` allows."""

    def __init__(self, *, url: str, max_bytes: int) -> None:
        super().__init__(
            f"the body is larger than {max_bytes} bytes; raise max_bytes, or stream it", url=url
        )
        self.max_bytes = max_bytes


class ContentChanged(NetError):
    """Raised when the resource became another one while its body was fetched.

    What was handed on is a piece of the former version: nothing of the new one follows it.
    `before` and `after` are the validators of both versions, `total_before` and `total_after`
    their sizes in bytes; each None if not told.
    """

    def __init__(
        self,
        *,
        url: str,
        before: Validator | None,
        after: Validator | None,
        total_before: int | None,
        total_after: int | None,
    ) -> None:
        super().__init__(
            "the file was replaced on the server while it was fetched "
            f"({_version(before, total_before)}; now {_version(after, total_after)}); "
            "drop what came and start again",
            url=url,
        )
        self.before = before
        self.after = after
        self.total_before = total_before
        self.total_after = total_after


def _version(validator: Validator | None, total: int | None) -> str:
    tag = None if validator is None else validator.etag or validator.last_modified
    size = "size unknown" if total is None else f"{total} bytes"
    return f"{tag or 'no validator'}, {size}"
