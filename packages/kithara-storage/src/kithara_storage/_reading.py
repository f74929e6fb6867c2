"""Copying published bytes to their readers, from the file or from memory."""

from __future__ import annotations

from ._body import Body
from ._errors import ResourceClosed, StorageFailed, from_os_error
from ._part import Part


def read(body: Body, offset: int, view: memoryview) -> int:
    """Copy what is there from `offset` on."""
    count = min(_available(body, offset), len(view))
    if count == 0:
        return 0
    part = _enter(body)
    try:
        done = copy(body, offset, view[:count])
    except OSError as error:
        raise from_os_error(error, path=body.path, operation="read") from error
    finally:
        part.file.leave()
    _check(body, offset, count, done)
    return done


def read_new(body: Body, offset: int, size: int) -> bytes:
    """What is there from `offset` on, in new memory."""
    count = min(_available(body, offset), size)
    if count == 0:
        return b""
    part = _enter(body)
    try:
        if body.spill is None:
            data = part.fs.pread(part.file.fd, count, offset)
            if len(data) == count:
                return data
        buffer = bytearray(count)
        done = copy(body, offset, memoryview(buffer))
    except OSError as error:
        raise from_os_error(error, path=body.path, operation="read") from error
    finally:
        part.file.leave()
    _check(body, offset, count, done)
    return bytes(buffer)


def try_read(body: Body, offset: int, view: memoryview) -> int:
    """As `read`, without a lock, and without waiting for the disk."""
    part = body.part
    if body.closed:
        raise ResourceClosed(path=body.path, operation="try_read")
    if not part.file.enter():
        return 0  # closed just now, or another file took its place
    try:
        count = min(body.glance(offset), len(view))
        if count == 0:
            return 0
        if body.spill is not None:
            return body.spill.try_read(part, view[:count], offset)
        return part.fs.try_preadv(part.file.fd, (view[:count],), offset)
    except OSError as error:
        raise from_os_error(error, path=body.path, operation="read") from error
    finally:
        part.file.leave()


def copy(body: Body, offset: int, view: memoryview) -> int:
    """Copy bytes that are published, or written just now. Between `enter` and `leave`."""
    part = body.part
    if body.spill is not None:
        return body.spill.read(part, view, offset)
    return part.fs.read_all(part.file.fd, view, offset)


def _available(body: Body, offset: int) -> int:
    with body.lock:
        body.check_open("read_into")
        return body.ranges.available(offset)


def _enter(body: Body) -> Part:
    """Begin to use the file, which `part.file.leave()` ends."""
    part = body.part
    if not part.file.enter():
        raise ResourceClosed(path=body.path, operation="read_into")
    return part


def _check(body: Body, offset: int, count: int, done: int) -> None:
    if done < count:
        raise StorageFailed(
            f"{body.path.name}: bytes {offset + done}-{offset + count - 1} are gone; "
            "something else changed the file, remove it and fetch it again",
            path=body.path,
            operation="read",
        )
