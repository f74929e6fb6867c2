"""The links of a chained Ogg file, found by a few looks at its pages."""

import re
from dataclasses import dataclass
from itertools import chain

from ._input import Input

WINDOW_BYTES = 65536  # a page is shorter
HEADER_BYTES = 22  # of a page, as far as it is looked at
HEAD_BYTES = 16384  # less than any library reads before the first frame
MOST_LOOKS = 64
_BEGINS = 2

_PAGE = re.compile(rb"OggS\0([\0-\7])(.{8})(.{4})(.{4})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Page:
    offset: int
    serial: bytes
    number: int  # within its stream
    first: bool  # it begins a stream


def count_links(source: Input) -> int | None:
    """Count the links of a seekable file; None if some share a serial number, which Ogg forbids.

    Where page numbers account for the bytes between two places, nobody looks in between: a short
    link before a long one of the same serial number may stay unseen.
    """
    length = source.length or 0
    tail = source.tail()
    head = _pages(source.head(min(HEAD_BYTES, length - len(tail))), 0)
    looks = [look for look in (head, _pages(tail, length - len(tail))) if look]
    at = count = 0
    while (links := _count(looks)) is not None and at + 1 < len(looks):
        left, right = looks[at : at + 2]
        start, end = left[-1].offset + 1, right[0].offset
        found: list[_Page] = []
        if count < MOST_LOOKS and not _account_for_all(left, right):
            if end - start > 2 * WINDOW_BYTES:
                start = (start + end) // 2
            size = min(WINDOW_BYTES, end - start + HEADER_BYTES)
            found = [
                page for page in _pages(source.stretch(start, size), start) if page.offset < end
            ]
            count += 1
        if found:
            looks.insert(at + 1, found)
        else:
            at += 1
    return links


def _count(looks: list[list[_Page]]) -> int | None:
    """Count the links of which pages were seen; None if some share a serial number."""
    links, inside = 1, False
    ended = set[bytes]()
    numbers = dict[bytes, int]()
    for page in chain.from_iterable(looks):
        if inside and (page.first or page.serial not in numbers):
            links += 1
            ended.update(numbers)
            numbers = {}
        if page.serial in ended or page.number <= numbers.get(page.serial, -1):
            return None
        numbers[page.serial] = page.number
        inside = not page.first
    return links


def _account_for_all(left: list[_Page], right: list[_Page]) -> bool:
    """Whether one stream's pages, as large as those on either side, fill what lies between."""
    last = left[-1]
    following = next((page for page in right if page.serial == last.serial), None)
    if following is None:
        return False
    missing = following.number - last.number
    size = max(_page_bytes(look, last.serial) for look in (left, right))
    return following.offset - last.offset <= 1.5 * missing * size


def _page_bytes(look: list[_Page], serial: bytes) -> float:
    ours = [page for page in look if page.serial == serial]
    if not ours:
        return 0.0
    count = ours[-1].number - ours[0].number
    return (ours[-1].offset - ours[0].offset) / count if count else WINDOW_BYTES


def _pages(content: bytes, offset: int) -> list[_Page]:
    found = []
    for page in _PAGE.finditer(content):
        flags, position, serial, number = page.groups()
        first = flags[0] & _BEGINS != 0 and not any(position + number)
        found.append(_Page(offset + page.start(), serial, int.from_bytes(number, "little"), first))
    return found
