from __future__ import annotations

import io

import pytest
from decode_files import Seekable, Unseekable
from hypothesis import given
from hypothesis import strategies as st

from kithara_decode import DecodeError, SeekRefused
from kithara_decode._input import Input


def read_all(source: Input, offset: int = 0) -> bytes:
    found = b""
    block = bytearray(10)
    while got := source.read_at(offset + len(found), memoryview(block)):
        found += block[:got]
    return found


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300), st.integers(1, 40))
def test_heads_and_skips_lose_nothing(content: bytes, head: int, skip: int, step: int) -> None:
    for file in (Seekable(content, step), Unseekable(content, step)):
        source = Input(file)
        assert source.head(head) == content[:head]
        source.skip(skip)
        assert source.head(head) == content[skip : skip + head]
        assert read_all(source) == content[skip:]
        if source.seekable:
            assert source.length == max(0, len(content) - skip)
            assert read_all(source, 5) == content[skip + 5 :]
        else:
            assert source.length is None


def test_a_seekable_file_is_read_from_its_start() -> None:
    file = io.BytesIO(b"abc")
    file.seek(2)
    assert read_all(Input(file)) == b"abc"


def test_going_back_in_an_unseekable_file_is_refused() -> None:
    source = Input(Unseekable(bytes(100)))
    assert read_all(source) == bytes(100)
    with pytest.raises(SeekRefused):
        source.read_at(3, memoryview(bytearray(1)))


def test_a_patch_is_what_everybody_reads() -> None:
    source = Input(io.BytesIO(b"abcdef"))
    source.head()
    source.patch(2, b"XY")
    assert read_all(source) == b"abXYef"


def test_a_file_that_does_not_block_is_refused() -> None:
    class NotYet(Unseekable):
        def readinto(self, buffer: object, /) -> None:  # type: ignore[override]  # as raw files may
            return None

    with pytest.raises(DecodeError, match="does not block"):
        Input(NotYet(b"")).head()


def test_readinto1_is_preferred() -> None:
    class Early(Seekable):
        def readinto1(self, buffer: memoryview) -> int:
            return super().readinto(buffer[:2])

        def readinto(self, buffer: object, /) -> int:
            raise AssertionError

    source = Input(Early(b"abcd"))
    assert source.read_at(0, memoryview(bytearray(4))) == 2
