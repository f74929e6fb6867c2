"""One path of the test server, and the ways in which it may misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from kithara_net._headers import HeaderMap
from kithara_net._models import RangeSpec
from kithara_net.testing._content import Content


class Behaviour(TypedDict, total=False):
    """How one answer differs from a plain, right one. All counts are body bytes of that answer."""

    status: int
    """Answer with this status, the content as the body; ranges are ignored."""
    headers: Mapping[str, str] | Sequence[tuple[str, str]]
    """Extra header fields; one of the server's own name replaces the server's."""
    omit: Sequence[str]
    """Leave these header fields out."""
    new_content: Content
    """Answer with this content instead, as if the resource had been replaced."""
    new_etag: str
    """Send this entity tag; `""` for none."""
    new_last_modified: str
    """Send this date of the last change; `""` for none."""
    cut_after: int
    """Close the connection cleanly after this many bytes."""
    reset_after: int
    """Reset the connection (RST) after this many bytes; those still on the way are lost with it."""
    stall_after: int
    """Send nothing more after this many bytes until `Resource.release()`."""
    stall_head: bool
    """Do not even send the response head until `Resource.release()`."""
    piece_size: int
    """Send at most this many bytes at once: a drip."""
    bytes_per_second: float
    """Send no faster than this, whatever the server's own throttle allows."""
    ignore_range: bool
    """Answer 200 with the whole content to a range request."""
    ignore_if_range: bool
    """Answer 206 whatever `If-Range` says."""
    content_range: str
    """Send this text as `Content-Range` of whatever is answered."""
    shift: int
    """Send bytes from this far beyond the place that the head of a 206 tells."""
    multipart: bool
    """Answer a range request with a `multipart/byteranges` of one part."""
    content_length: int | str
    """Declare this length, whatever is sent."""
    total_unknown: bool
    """Write `*` for the total in `Content-Range`."""
    chunked: bool
    """Send chunks and no length."""
    http10: bool
    """Answer as HTTP/1.0 and close after it."""
    close_delimited: bool
    """Answer as HTTP/1.0 without a length; closing the connection ends the body."""
    close: bool
    """Send `Connection: close` and close after the answer."""
    encoding: str
    """Send this `Content-Encoding`; `gzip` and `deflate` really code the body."""
    redirect: str
    """Answer 302 (or `status`) with this `Location`."""
    rotate_etag: bool
    """Send a new entity tag with each answer."""
    refuse_head: bool
    """Answer 405 to HEAD."""
    raw: bytes
    """Send exactly these bytes instead of an HTTP answer and close."""


@dataclass(slots=True, eq=False)
class Resource:
    """One path that the server knows.

    `script` holds the behaviours of the next answers, one each; afterwards `behaviour` counts.
    Both, and the content, may be replaced between requests.
    """

    content: Content
    media_type: str
    etag: str
    last_modified: str
    behaviour: Behaviour
    script: list[Behaviour]
    released: bool = field(default=False, init=False)
    answers: int = field(default=0, init=False)
    _changed: Callable[[], None] = field(default=lambda: None, repr=False)

    def release(self) -> None:
        """Let every present and later stall of this resource go on; from any thread."""
        self.released = True
        self._changed()

    def next_behaviour(self) -> Behaviour:
        """The behaviour of the answer that is about to be given."""
        self.answers += 1
        return self.script.pop(0) if self.script else self.behaviour


@dataclass(slots=True, eq=False)
class RequestRecord:
    """One request that the server has read, and how far its answer got."""

    method: str
    path: str
    """The path as received, percent-encoding and all, without the query."""
    query: str = field(repr=False)
    byte_range: RangeSpec | None
    """The range that was asked for; None for none or one that is not understood."""
    headers: HeaderMap
    connection: int
    """Which connection of the server it came in on: 1 for the first one."""
    status: int | None = None
    """The status that was sent; None before."""
    sent: int = 0
    """Body bytes handed to the kernel so far."""
    finished: bool = False
    """True when the whole answer was sent."""
