"""Reading a complete file again, against the checksums of its record."""

from __future__ import annotations

from ._body import Body
from ._errors import ResourceClosed, from_os_error
from ._journal import MAP, META, beside, crc_of, read_file
from ._models import ResourceStatus
from ._part import Part
from ._records import decode


def check(body: Body) -> bool | None:
    """Whether every byte is what was written; None where no record tells."""
    with body.lock:
        body.check_open("check")
        part = body.part
        if body.status is not ResourceStatus.COMPLETE:
            return None
    if not part.file.enter():
        raise ResourceClosed(path=body.path, operation="check")
    try:
        return _check_bytes(part)
    except OSError as error:
        raise from_os_error(error, path=body.path, operation="read") from error
    finally:
        part.file.leave()


def _check_bytes(part: Part) -> bool | None:
    fs, fd = part.fs, part.file.fd
    for suffix in (META, MAP):  # a power cut in a commit may have kept the old name
        data = read_file(fs, beside(part.final, suffix))
        log = None if data is None else decode(data)
        if log is None:
            continue
        if log.length is not None and log.length != fs.fstat(fd).st_size:
            return False
        for extent in log.extents:
            if crc_of(fs, fd, extent) != extent[2]:
                return False
        return True if log.whole else None
    return None
