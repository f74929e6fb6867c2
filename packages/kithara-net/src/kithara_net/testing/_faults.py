"""A catalogue of what servers do to range requests, to hold any client against."""

from __future__ import annotations

from dataclasses import dataclass, field

from kithara_net.testing._content import pattern_bytes
from kithara_net.testing._resource import Behaviour, Resource
from kithara_net.testing._server import Server

FAULT_SIZE = 400_000
"""Bytes of the file that every fault is about."""

FAULT_CONTENT = pattern_bytes(0, FAULT_SIZE)
"""The file."""

CHANGED_CONTENT = FAULT_CONTENT.translate(bytes(range(255, -1, -1)))
"""What it is replaced by where a fault replaces it: of the same size, and different everywhere."""

_DAY = "Sun, 06 Nov 1994 08:49:37 GMT"
_NEXT_DAY = "Mon, 07 Nov 1994 08:49:37 GMT"
_CUT: Behaviour = {"cut_after": 150_000}
_CUT_EARLY: Behaviour = {"cut_after": 50_000}
_CUT_AT_ONCE: Behaviour = {"cut_after": 0}
_NO_ANSWER: Behaviour = {"raw": b""}
_NEW: Behaviour = {"new_content": CHANGED_CONTENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A server's behaviour from the first request for a path on.

    `curable` is True if a client can, by asking again, deliver one version whole to somebody who
    has the bytes before the break already. Otherwise an error is the only honest end.
    """

    name: str
    script: tuple[Behaviour, ...] = ()
    """The first answers, one each."""
    lasting: Behaviour = field(default_factory=lambda: Behaviour())
    """All further answers."""
    etag: str = "auto"
    last_modified: str = ""
    curable: bool = True

    def add_to(self, server: Server, path: str) -> Resource:
        """Serve `FAULT_CONTENT` with this fault under `path`."""
        return server.add(
            path,
            FAULT_CONTENT,
            etag=self.etag,
            last_modified=self.last_modified,
            script=self.script,
            **self.lasting,
        )


_SOUND = (
    Fault(name="nothing wrong"),
    Fault(name="slow drip", lasting={"piece_size": 20_000}),
    Fault(name="chunked", lasting={"chunked": True}),
    Fault(name="HTTP/1.0", lasting={"http10": True}),
    Fault(name="HTTP/1.0 without a length", lasting={"close_delimited": True}),
    Fault(name="total unknown", lasting={"total_unknown": True}),
    Fault(name="ranges ignored", lasting={"ignore_range": True}),
)
_BROKEN = (
    Fault(name="cut", script=(_CUT,)),
    Fault(name="cut 5 times", script=(_CUT_EARLY,) * 5),
    Fault(name="cut at the first byte", script=(_CUT_AT_ONCE,) * 2),
    Fault(name="reset", script=({"reset_after": 150_000},)),
    Fault(name="reset before the head", script=(_NO_ANSWER,) * 2),
    Fault(name="stalled", script=({"stall_after": 150_000},)),
    Fault(name="stalled before the head", script=({"stall_head": True},)),
    Fault(name="HTTP/1.0, cut", script=({**_CUT, "http10": True},), lasting={"http10": True}),
    Fault(
        name="HTTP/1.0 without a length, cut",
        script=({**_CUT, "close_delimited": True},),
        lasting={"close_delimited": True},
    ),
    Fault(name="chunked, cut", script=({**_CUT, "chunked": True},), lasting={"chunked": True}),
    Fault(
        name="chunked, cut before the last chunk",
        script=({"cut_after": FAULT_SIZE, "chunked": True},),
    ),
    Fault(
        name="chunked, cut; then total unknown",
        script=({**_CUT, "chunked": True},),
        lasting={"total_unknown": True},
    ),
    Fault(name="cut, busy (503)", script=(_CUT, {"status": 503}, {"status": 503})),
    Fault(
        name="cut, busy (429), Retry-After",
        script=(_CUT, {"status": 429, "headers": {"Retry-After": "1"}}),
    ),
)
_IDENTITY = (
    Fault(name="cut, no validator", script=(_CUT,), etag=""),
    Fault(name="cut, weak tag", script=(_CUT,), etag='W/"v1"'),
    Fault(name="cut, only a date", script=(_CUT,), etag="", last_modified=_DAY),
    Fault(name="cut, 206 without validator", script=(_CUT,), lasting={"omit": ("ETag",)}),
    Fault(
        name="cut, tags rotate",
        script=({**_CUT, "rotate_etag": True},),
        lasting={"rotate_etag": True},
    ),
    Fault(name="cut, 200 to If-Range", script=(_CUT, {"status": 200})),
    Fault(name="cut, ranges ignored", script=(_CUT,), lasting={"ignore_range": True}),
    Fault(
        name="cut, ranges ignored, no validator",
        script=(_CUT,),
        lasting={"ignore_range": True},
        etag="",
    ),
)
_CHANGED = (
    Fault(name="changed", script=(_CUT,), lasting=_NEW, curable=False),
    Fault(name="changed, no validator", script=(_CUT,), lasting=_NEW, etag="", curable=False),
    Fault(
        name="changed, only a date",
        script=({**_CUT, "new_last_modified": _DAY},),
        lasting={**_NEW, "new_last_modified": _NEXT_DAY},
        etag="",
        curable=False,
    ),
    Fault(
        name="changed, weak tags",
        script=({**_CUT, "new_etag": 'W/"1"'},),
        lasting={**_NEW, "new_etag": 'W/"2"'},
        curable=False,
    ),
    Fault(
        name="changed, tags rotate",
        script=({**_CUT, "rotate_etag": True},),
        lasting={**_NEW, "rotate_etag": True},
        curable=False,
    ),
    Fault(
        name="changed, If-Range ignored",
        script=(_CUT,),
        lasting={**_NEW, "ignore_if_range": True},
        curable=False,
    ),
    Fault(
        name="changed, 206 without validator",
        script=(_CUT,),
        lasting={**_NEW, "ignore_if_range": True, "omit": ("ETag",)},
        curable=False,
    ),
    Fault(
        name="changed, ranges ignored",
        script=(_CUT,),
        lasting={**_NEW, "ignore_range": True},
        curable=False,
    ),
    Fault(
        name="changed, ranges ignored, no validator",
        script=(_CUT,),
        lasting={**_NEW, "ignore_range": True},
        etag="",
        curable=False,
    ),
    Fault(
        name="changed, same tag, other size",
        script=(_CUT,),
        lasting={"new_content": FAULT_CONTENT + b"more"},
        etag="v1",
        curable=False,
    ),
    Fault(name="shrunk (416)", script=(_CUT,), lasting={"new_content": b"short"}, curable=False),
    Fault(
        name="shrunk (416), no validator",
        script=({**_CUT, "chunked": True},),
        lasting={"new_content": CHANGED_CONTENT[:150_000]},
        etag="",
        curable=False,
    ),
    Fault(
        name="grown",
        script=(_CUT,),
        lasting={"new_content": CHANGED_CONTENT + b"more"},
        etag="",
        curable=False,
    ),
)
_LIES = (
    Fault(name="206 of another start, once", script=(_CUT, {"content_range": "bytes 0-9/10"})),
    Fault(
        name="206 of another start",
        script=(_CUT,),
        lasting={"content_range": f"bytes 0-{FAULT_SIZE - 1}/{FAULT_SIZE}", "shift": -150_000},
        curable=False,
    ),
    Fault(
        name="206 of another total",
        script=(_CUT,),
        lasting={"content_range": f"bytes 150000-{FAULT_SIZE - 1}/{FAULT_SIZE + 9}"},
        curable=False,
    ),
    Fault(
        name="206 of other bytes than it says",
        script=(_CUT,),
        lasting={"shift": -1000},
        etag="",
        curable=False,
    ),
    Fault(
        name="206 without a range",
        script=(_CUT,),
        lasting={"omit": ("Content-Range",)},
        curable=False,
    ),
    Fault(
        name="206 of several ranges",
        script=(_CUT,),
        lasting={"headers": [("Content-Range", "bytes 0-9/10"), ("Content-Range", "bytes 5-9/10")]},
        curable=False,
    ),
    Fault(name="206 in parts", script=(_CUT,), lasting={"multipart": True}, curable=False),
    Fault(name="206 compressed", script=(_CUT,), lasting={"encoding": "gzip"}, curable=False),
    Fault(
        name="206 with a longer Content-Length",
        script=(_CUT,),
        lasting={"content_length": FAULT_SIZE * 2, "close": True},
        curable=False,
    ),
    Fault(
        name="206 with a shorter Content-Length",
        script=(_CUT,),
        lasting={"content_length": 1000, "close": True},
        curable=False,
    ),
    Fault(
        name="200 with a longer Content-Length",
        lasting={"content_length": FAULT_SIZE + 1, "ignore_range": True, "close": True},
        curable=False,
    ),
    Fault(name="416 without a total", script=(_CUT,), lasting={"status": 416}, curable=False),
    Fault(
        name="416 of this very total",
        script=(_CUT,),
        lasting={"status": 416, "content_range": f"bytes */{FAULT_SIZE}"},
        curable=False,
    ),
    Fault(name="cut, gone (404)", script=(_CUT,), lasting={"status": 404}, curable=False),
    Fault(name="cut, token expired (403)", script=(_CUT,), lasting={"status": 403}, curable=False),
    Fault(
        name="cut, a page instead",
        script=(_CUT,),
        lasting={"new_content": b"please wait", "new_etag": "", "ignore_range": True},
        curable=False,
    ),
    Fault(
        name="cut, redirected for ever",
        script=(_CUT,),
        lasting={"redirect": "?again"},
        curable=False,
    ),
    Fault(name="no HTTP", lasting={"raw": b"SSH-2.0-OpenSSH_9.2\r\n"}, curable=False),
    Fault(name="compressed", lasting={"encoding": "gzip"}, curable=False),
    Fault(name="busy for ever", lasting={"status": 503}, curable=False),
)

FAULTS: tuple[Fault, ...] = _SOUND + _BROKEN + _IDENTITY + _CHANGED + _LIES
"""All faults, the harmless ones first."""
