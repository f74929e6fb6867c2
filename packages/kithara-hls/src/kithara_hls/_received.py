"""Whether what was received of a part is all of it, and what it should be."""

from kithara_net import ByteStream, NetError, RangeNotSatisfiable

from ._cipher import BLOCK
from ._download import Download
from ._errors import SegmentInvalid
from ._plan import PlannedPart
from ._version import Version

__all__ = ("begun_size", "check_size", "clear_size", "is_all", "told_size")


def told_size(planned: PlannedPart, body: ByteStream) -> int | None:
    """How many bytes the whole part has, if that is told."""
    size = _planned_size(planned)
    return body.head.total if size is None else size


def begun_size(planned: PlannedPart, begun: Version | None) -> int | None:
    """The same of a part of which a version was begun, before anything is asked for."""
    size = _planned_size(planned)
    if size is None and begun is not None and "total" in begun:
        return int(begun["total"])
    return size


def _planned_size(planned: PlannedPart) -> int | None:
    if planned.byte_range is None or planned.byte_range.stop is None:
        return None
    return planned.byte_range.stop - planned.byte_range.start


def is_all(download: Download, error: NetError) -> bool:
    """Whether a server that was asked for the rest of a part says that there is none."""
    resource = download.resource
    if not isinstance(error, RangeNotSatisfiable) or resource is None:
        return False
    return download.planned.byte_range is None and 0 < resource.available(0) == error.total


def check_size(planned: PlannedPart, size: int) -> None:
    """Raise SegmentInvalid where a part cannot have that many bytes."""
    key_url = planned.key.url if planned.key is not None else None
    if size == 0:
        raise SegmentInvalid("it is empty", url=planned.url, key_url=key_url)
    if key_url is not None and size % BLOCK:
        reason = f"its {size} bytes are not a multiple of 16, so they are not AES-128-CBC"
        raise SegmentInvalid(reason, url=planned.url, key_url=key_url)


def clear_size(download: Download, size: int) -> int:
    """How many of the ``size`` bytes received readers get. Raises SegmentInvalid."""
    cipher, resource = download.cipher, download.resource
    if cipher is None:
        return size
    assert resource is not None
    before = BLOCK if size > BLOCK else 0
    tail = resource.read_at(size - BLOCK - before, BLOCK + before)
    padding = cipher.padding(tail[:before], tail[before:])
    if padding is None:
        reason = "its padding is wrong, so it is damaged or the key is not the right one"
        raise SegmentInvalid(reason, url=download.planned.url, key_url=cipher.key_url)
    return size - padding
