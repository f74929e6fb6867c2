import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_net._inflate import Inflater, TooLong


def raw_deflate(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(text) + packer.flush()


def inflate(coding: str, coded: bytes, cut: int, limit: int = 10_000) -> bytes:
    inflater = Inflater(coding, limit)
    for start in range(0, len(coded), cut):
        inflater.feed(coded[start : start + cut])
    return inflater.finish()


@given(st.binary(max_size=500), st.integers(1, 50))
def test_round_trips_in_pieces_of_any_size(text: bytes, cut: int) -> None:
    assert inflate("gzip", gzip.compress(text), cut) == text
    assert inflate("gzip", gzip.compress(text) + gzip.compress(b"more"), cut) == text + b"more"
    assert inflate("deflate", zlib.compress(text), cut) == text
    assert inflate("deflate", raw_deflate(text), cut) == text


@given(st.binary(min_size=1, max_size=500), st.integers(1, 50), st.data())
def test_every_cut_is_noticed(text: bytes, cut: int, data: st.DataObject) -> None:
    for coding, coded in (("gzip", gzip.compress(text)), ("deflate", zlib.compress(text))):
        short = coded[: data.draw(st.integers(1, len(coded) - 1))]
        with pytest.raises(zlib.error):
            inflate(coding, short, cut)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_refused_at_the_limit(coding: str) -> None:
    text = bytes(10_000_000)
    coded = gzip.compress(text) if coding == "gzip" else zlib.compress(text)
    inflater = Inflater(coding, 1000)
    with pytest.raises(TooLong):
        inflater.feed(coded)
    assert inflate(coding, coded, 4096, limit=len(text)) == text
    with pytest.raises(TooLong):
        inflate(coding, coded, 4096, limit=len(text) - 1)


def test_members_share_one_limit() -> None:
    with pytest.raises(TooLong):
        inflate("gzip", gzip.compress(bytes(600)) * 2, 1000, limit=1000)


@pytest.mark.parametrize(
    ("coding", "coded"),
    [
        ("gzip", b"not gzip at all"),
        ("gzip", gzip.compress(b"text") + b"garbage"),
        ("deflate", zlib.compress(b"text") + b"garbage"),
        ("gzip", gzip.compress(b"text" * 99)[:-8] + b"12345678"),
    ],
)
def test_damage(coding: str, coded: bytes) -> None:
    with pytest.raises(zlib.error):
        inflate(coding, coded, 7)
