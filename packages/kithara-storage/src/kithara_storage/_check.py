"""Reading a complete file again, against the checksums of its record."""

from __future__ import annotations

from ._journal import MAP, META, beside, crc_of, read_file
from ._part import Part
from ._records import decode


def check_bytes(part: Part) -> bool | None:
    """Whether every byte is what was written; None where no record tells. Raises `OSError`."""
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
