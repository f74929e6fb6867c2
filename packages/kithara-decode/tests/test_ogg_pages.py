from __future__ import annotations

import random
from itertools import chain, zip_longest

import pytest
from decode_files import Seekable

from kithara_decode._input import Input
from kithara_decode._ogg_pages import count_links


def pages(serial: int, *sizes: int) -> list[bytes]:
    """The pages of one stream; only their headers are true."""
    made = []
    for number, size in enumerate((60, *sizes)):
        header = b"OggS\0" + bytes([0 if number else 2]) + (960 * number).to_bytes(8, "little")
        header += serial.to_bytes(4, "little") + number.to_bytes(4, "little")
        made.append(header.ljust(size, b"."))
    return made


def even(serial: int, count: int) -> list[bytes]:
    rng = random.Random(serial + count)
    return pages(serial, *(rng.randrange(4000, 4800) for _ in range(count)))


ONE = even(1, 3000)
OTHER = even(2, 2000)
QUIET_AT_BOTH_ENDS = pages(1, *[300] * 400, *[12_000] * 800, *[300] * 400)
INTERLEAVED = [page for pair in zip_longest(ONE, OTHER, fillvalue=b"") for page in pair]
HOLED = [*ONE[:500], *ONE[900:]]


@pytest.mark.parametrize(
    ("expected", "links"),
    [
        (1, [ONE]),
        (1, [even(1, 3)]),
        (1, [QUIET_AT_BOTH_ENDS]),
        (1, [INTERLEAVED]),
        (1, [HOLED]),
        (2, [ONE, OTHER]),
        (3, [even(1, 1), OTHER, even(3, 700)]),
        (2, [INTERLEAVED, even(3, 700)]),
        (None, [ONE, ONE]),
        (None, [ONE] * 7),
        (None, [ONE, OTHER, ONE]),
        (None, [OTHER, ONE, ONE]),
        (None, [ONE, OTHER, ONE, OTHER]),
        (None, [even(1, 3), ONE]),
        (None, [pages(1, *[65_000] * 300)] * 3),
    ],
)
def test_links_are_counted_with_few_looks(expected: int | None, links: list[list[bytes]]) -> None:
    file = Seekable(b"".join(chain.from_iterable(links)))
    assert count_links(Input(file)) == expected
    assert file.reads <= 16


@pytest.mark.parametrize("stream", [ONE, pages(1, *[200] * 2, *[65_000] * 300)])
def test_one_even_stream_takes_a_look_at_both_ends(stream: list[bytes]) -> None:
    file = Seekable(b"".join(stream))
    count_links(Input(file))
    assert file.reads == 2
