"""Deciding on one answer: status, header fields, and which bytes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from kithara_net.testing._content import Content, etag_of, read_piece, size_of
from kithara_net.testing._request import parse_suffix
from kithara_net.testing._resource import Behaviour, RequestRecord, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer before it is sent: `content[start:stop]` is the body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    content: Content
    start: int
    stop: int
    behaviour: Behaviour
    keep_alive: bool

    def head(self) -> bytes:
        """The status line and the header fields, with the empty line."""
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
        old = self.behaviour.get("close_delimited") or self.behaviour.get("http10")
        version = "1.0" if old else "1.1"
        lines = [f"HTTP/{version} {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answer_to(request: RequestRecord, resource: Resource, behaviour: Behaviour) -> Answer:
    """The answer that `behaviour` gives to `request`."""
    content = behaviour.get("new_content", resource.content)
    size = size_of(content)
    fields = {"Content-Type": resource.media_type, "Accept-Ranges": "bytes"}
    etag = _etag(resource, behaviour, content)
    if etag:
        fields["ETag"] = etag
    last_modified = behaviour.get("new_last_modified", resource.last_modified)
    if last_modified:
        fields["Last-Modified"] = last_modified
        fields["Date"] = formatdate(usegmt=True)

    status, start, stop = _choose(request, behaviour, size, (etag, last_modified))
    if "redirect" in behaviour:
        fields["Location"] = behaviour["redirect"]
    if status == 405:
        fields["Allow"] = "GET"
    if status == 416:
        fields["Content-Range"] = f"bytes */{size}"
    if status == 206:
        total = "*" if behaviour.get("total_unknown") else str(size)
        fields["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
    if "content_range" in behaviour:
        fields["Content-Range"] = behaviour["content_range"]
    if status == 206 and (shift := behaviour.get("shift", 0)):
        content = read_piece(content, start + shift, stop + shift)
        content = content.ljust(stop - start, b"\0")
        start, stop = 0, len(content)
    if behaviour.get("multipart") and status == 206:
        content = _part(read_piece(content, start, stop), fields)
        start, stop = 0, len(content)
    if "encoding" in behaviour:
        content = _coded(read_piece(content, start, stop), behaviour["encoding"])
        start, stop = 0, len(content)
        fields["Content-Encoding"] = behaviour["encoding"]
    if behaviour.get("chunked"):
        fields["Transfer-Encoding"] = "chunked"
    elif not behaviour.get("close_delimited"):
        fields["Content-Length"] = str(stop - start)
    if "content_length" in behaviour:
        fields["Content-Length"] = str(behaviour["content_length"])
    asked_close = request.headers.get("Connection", "").lower() == "close"
    closing = any(behaviour.get(name) for name in ("close", "close_delimited", "http10"))
    keep_alive = not (closing or asked_close)
    if not keep_alive:
        fields["Connection"] = "close"
    return Answer(
        status=status,
        fields=_with_extra(fields, behaviour),
        content=content,
        start=start,
        stop=stop,
        behaviour=behaviour,
        keep_alive=keep_alive,
    )


def _choose(
    request: RequestRecord, behaviour: Behaviour, size: int, validators: tuple[str, str]
) -> tuple[int, int, int]:
    if "redirect" in behaviour:
        return behaviour.get("status", 302), 0, 0
    if request.method not in {"GET", "HEAD"}:
        return 405, 0, 0
    if request.method == "HEAD" and behaviour.get("refuse_head"):
        return 405, 0, 0
    if "status" in behaviour:
        return behaviour["status"], 0, size
    wanted = request.headers.get("If-Range")
    changed = wanted is not None and wanted not in validators
    if behaviour.get("ignore_range") or (changed and not behaviour.get("ignore_if_range")):
        return 200, 0, size
    suffix = parse_suffix(request.headers.get("Range"))
    if suffix is not None:
        return (206, max(0, size - suffix), size) if suffix and size else (416, 0, 0)
    if request.byte_range is None:
        return 200, 0, size
    start, stop = request.byte_range.start, request.byte_range.stop
    if start >= size:
        return 416, 0, 0
    return 206, start, size if stop is None else min(stop, size)


def _etag(resource: Resource, behaviour: Behaviour, content: Content) -> str:
    if behaviour.get("rotate_etag"):
        return f'"answer-{resource.answers}"'
    etag = behaviour.get("new_etag", resource.etag)
    if etag == "auto":
        return etag_of(content)
    return etag if not etag or etag.startswith(('"', "W/")) else f'"{etag}"'


def _part(body: bytes, fields: dict[str, str]) -> bytes:
    inner = (
        f"Content-Type: {fields['Content-Type']}\r\nContent-Range: {fields.pop('Content-Range')}"
    )
    fields["Content-Type"] = "multipart/byteranges; boundary=kithara"
    return f"--kithara\r\n{inner}\r\n\r\n".encode() + body + b"\r\n--kithara--\r\n"


def _coded(body: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.compress(body, mtime=0)
    return zlib.compress(body) if encoding == "deflate" else body


def _with_extra(fields: dict[str, str], behaviour: Behaviour) -> tuple[tuple[str, str], ...]:
    extra = behaviour.get("headers", ())
    pairs = tuple(extra.items()) if isinstance(extra, Mapping) else tuple(extra)
    replaced = {name.lower() for name in (*(name for name, _ in pairs), *behaviour.get("omit", ()))}
    own = tuple(item for item in fields.items() if item[0].lower() not in replaced)
    return own + pairs
