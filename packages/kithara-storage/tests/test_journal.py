"""The format and the load rule: whatever is in a journal, nothing wrong is served."""

from __future__ import annotations

import asyncio
import os
import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_storage import DiskWriter, Durability, RangeSet, ResourceStatus, StreamingResource
from kithara_storage._records import (
    Extent,
    Header,
    coalesced,
    decode,
    decode_commit,
    encode_barrier,
    encode_commit,
    encode_extents,
    encode_header,
    encode_length,
    encode_validated,
)
from kithara_storage.testing import SimFs

PATH = Path("/cache/a")
MAP, META, PART = (PATH.with_name(f"a.{suffix}") for suffix in ("map", "meta", "part"))
CONTENT = random.Random(7).randbytes(64)
HEADER = Header(generation=b"g" * 16, boot=b"b" * 16, identity={"etag": '"1"', "length": "64"})
extents = st.lists(
    st.tuples(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**32 - 1)).map(
        lambda t: (t[0], t[0] + t[1], t[2])
    ),
    max_size=20,
)


@given(extents, extents, st.one_of(st.none(), st.integers(0, 2**40)))
def test_what_was_encoded_is_decoded(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], length: int | None
) -> None:
    data = encode_header(HEADER) + encode_extents(HEADER, before)
    if length is not None:
        data += encode_length(HEADER, length)
    data += encode_validated(HEADER, 1_700_000_000)
    covered = len(data)
    data += encode_extents(HEADER, after) + encode_barrier(HEADER, covered)
    log = decode(data)
    assert log is not None
    assert log.header == HEADER
    assert log.extents == before + after
    assert log.trusted == len(before)
    assert log.length == length
    assert log.end == len(data)


@given(st.integers(0, 200), st.binary(min_size=1, max_size=40))
def test_the_log_ends_where_it_is_damaged(at: int, noise: bytes) -> None:
    pieces = [(n * 4, n * 4 + 4, n) for n in range(5)]
    good = encode_header(HEADER)
    begin = len(good)
    good += encode_extents(HEADER, pieces)
    at = min(at, len(good) - 1)
    bad = bytearray(good)
    bad[at : at + len(noise)] = noise
    log = decode(bytes(bad))
    if log is None:
        assert at < begin
    else:
        assert log.extents[: max(0, (at - begin) // 28)] == pieces[: max(0, (at - begin) // 28)]
        assert all(piece in pieces for piece in log.extents)


def test_a_record_of_another_generation_ends_the_log() -> None:
    other = Header(generation=b"h" * 16, boot=b"b" * 16, identity=None)
    data = encode_header(HEADER) + encode_extents(HEADER, [(0, 4, 1)])
    log = decode(data + encode_extents(other, [(4, 8, 1)]))
    assert log is not None
    assert log.extents == [(0, 4, 1)]


def test_a_commit_is_seen_at_the_end_only() -> None:
    head = encode_header(HEADER) + encode_extents(HEADER, [(0, 64, 1)])
    log = decode(head + encode_length(HEADER, 64))
    assert log is not None
    data = head + encode_length(HEADER, 64) + encode_commit(log)
    assert decode_commit(HEADER, len(data), data[-200:]) == 64
    assert decode_commit(HEADER, len(data) + 28, data) is None
    assert decode_commit(HEADER, len(data) - 1, data[:-1]) is None
    assert decode_commit(HEADER, 10, data[:10]) is None


@pytest.mark.parametrize("facts", [b"", b"{", b"[]", b'"etag"', b"\xff", b"[" * 4000])
def test_sound_bytes_that_are_no_facts_are_no_header(facts: bytes) -> None:
    head = encode_header(HEADER)[:44]
    head = head[:8] + len(facts).to_bytes(4, "little") + head[12:] + facts
    assert decode(head + zlib.crc32(head).to_bytes(4, "little")) is None


def test_an_identity_must_fit_into_one_page() -> None:
    with pytest.raises(ValueError, match="4000 bytes"):
        encode_header(Header(generation=b"", boot=b"", identity={"x": "y" * 5000}))


async def fill(fs: SimFs, *, commit: bool, durability: Durability = Durability.DATA) -> None:
    with (
        DiskWriter() as writer,
        StreamingResource.open(PATH, writer, resume=True, fs=fs, durability=durability) as resource,
    ):
        resource.restart({"etag": "x"})
        for at in (0, 32, 16, 48) if commit else (0, 32, 16):
            await resource.write_at(at, CONTENT[at : at + 16])
            await resource.flush()
            if at == 32:
                await resource.barrier()
        if commit:
            await resource.commit(64)


def check(fs: SimFs, writer: DiskWriter) -> int:
    """Open it in both ways; how many bytes are offered, all of them right."""
    with StreamingResource.open(PATH, writer, fs=fs) as plain:
        assert plain.read_at(0, 99) in {b"", CONTENT}
    with StreamingResource.open(PATH, writer, resume=True, fs=fs) as resource:
        offered = 0
        for at in range(64):
            data = resource.read_at(at, 1)
            offered += len(data)
            assert data in {b"", CONTENT[at : at + 1]}
        if resource.status is ResourceStatus.COMPLETE:
            assert offered == 64
        return offered


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize("durability", [Durability.DATA, Durability.NONE])
def test_every_truncation_and_noise(commit: bool, durability: Durability) -> None:
    """Every length of a journal, every byte of it wrong, on this boot and after a power cut."""
    fs = SimFs()
    asyncio.run(fill(fs, commit=commit, durability=durability))
    place = META if commit else MAP
    good = fs.content(place)
    assert good is not None
    dice = random.Random(commit)
    damaged = [good[:size] for size in range(len(good))]
    damaged += [
        good[:at] + bytes([good[at] ^ dice.randrange(1, 256)]) + good[at + 1 :]
        for at in range(len(good))
    ]
    damaged += [dice.randbytes(dice.randrange(300)) for _ in range(40)]
    damaged += [good[:5] + b"\x02" + good[6:], good + good, good + dice.randbytes(100)]
    offered = set()
    with DiskWriter() as writer:
        for content in damaged:
            for disk in (fs.after_kill(), fs.after_power_cut(lambda n: n - 1)):
                disk.put(place, content)
                offered.add(check(disk, writer))
            killed = fs.after_kill()
            killed.put(place, content)
            check(killed, writer)
            assert killed.content(PATH) == (CONTENT if commit else None)
        assert check(fs, writer) == (64 if commit else 48)
    assert offered == ({0, 64} if commit else {0, 16, 32, 48})


def test_a_journal_that_says_more_than_there_is() -> None:
    fs = SimFs()
    asyncio.run(fill(fs, commit=False))
    fs.put(PART, CONTENT[:20])
    with DiskWriter() as writer:
        assert check(fs, writer) == 16


@pytest.mark.parametrize("commit", [False, True])
def test_a_journal_of_a_tebibyte_is_not_read_whole(tmp_path: Path, commit: bool) -> None:
    """Holes take no disk: a damaged length must not take all memory either."""
    path = tmp_path / "a"
    with DiskWriter() as writer, StreamingResource.open(path, writer, resume=True) as resource:
        resource.restart({"etag": "x"})
        asyncio.run(resource.write_at(0, CONTENT))
        if commit:
            asyncio.run(resource.commit(64))
    os.truncate(path.with_name("a.meta" if commit else "a.map"), 1 << 40)
    with DiskWriter() as writer, StreamingResource.open(path, writer, resume=True) as leader:
        assert leader.read_at(0, 64) == CONTENT
        with StreamingResource.open(path, writer, resume=True) as follower:
            assert follower.wait_range(0, 64, timeout=30) == "ready"


def test_a_damaged_record_of_a_final_file_makes_it_a_miss_that_is_fetched_again() -> None:
    fs = SimFs()
    asyncio.run(fill(fs, commit=True))
    for durability in (Durability.DATA, Durability.NONE):
        fs.put(META, b"noise")
        with DiskWriter() as writer:
            assert check(fs, writer) == 0
            assert fs.content(PATH) == CONTENT  # it is not removed before it is fetched again
            asyncio.run(fill(fs, commit=True, durability=durability))
            assert check(fs, writer) == 64


async def test_a_plain_fetch_replaces_a_final_file_that_is_not_believed() -> None:
    fs = SimFs()
    fs.put(PATH, b"something else")
    fs.put(META, b"noise")
    with DiskWriter() as writer:
        with StreamingResource.open(PATH, writer, fs=fs) as resource:
            await resource.write_at(0, CONTENT)
            await resource.commit(64)
        assert check(fs, writer) == 64
        assert fs.content(META) is None


@pytest.mark.parametrize("going_on", [False, True])
async def test_a_final_file_that_is_not_believed_goes_before_its_record(going_on: bool) -> None:
    fs = SimFs()
    await fill(fs, commit=False)
    with DiskWriter() as writer:
        StreamingResource.open(PATH.with_name("b"), writer, fs=fs).close()  # all is swept now
        fs.put(PATH, b"something else")
        fs.put(META, b"noise")
        with StreamingResource.open(PATH, writer, resume=True, fs=fs) as resource:
            assert resource.available(0) == 48
            if going_on:
                resource.confirm({"etag": "y"})
                await resource.write_at(48, CONTENT[48:])
            else:
                resource.restart({"etag": "y"})
    with DiskWriter() as writer:
        assert check(fs, writer) == (64 if going_on else 0)


async def test_an_empty_resource_with_a_record_is_complete() -> None:
    fs = SimFs()
    with DiskWriter() as writer:
        with StreamingResource.open(PATH, writer, resume=True, fs=fs) as resource:
            resource.restart({"etag": "e"})
            await resource.commit(0)
        with StreamingResource.open(PATH, writer, resume=True, fs=fs) as again:
            assert again.status is ResourceStatus.COMPLETE
            assert again.identity == {"etag": "e"}
            assert again.wait_range(0, 1) == "eof"


async def test_new_facts_for_the_same_bytes() -> None:
    fs = SimFs()
    with DiskWriter() as writer:
        for number in range(4):
            resource = StreamingResource.open(PATH, writer, resume=True, fs=fs)
            assert resource.identity == ({"etag": str(number - 1)} if number else None)
            assert resource.available(0) == number * 16
            resource.confirm({"etag": str(number)})
            await resource.write_at(number * 16, CONTENT[number * 16 : number * 16 + 16])
            if number < 3:
                await resource.barrier()
                resource.close()
                fs = fs.after_kill() if number == 1 else fs.after_power_cut(lambda n: n - 1)
        await resource.commit(64)
        resource.close()
    assert fs.content(PATH) == CONTENT


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda e: (e[0], sum(e), 0))))
def test_extents_coalesce_into_their_ranges(extents: list[Extent]) -> None:
    ranges = RangeSet()
    for start, stop, _ in extents:
        ranges.add(start, stop)
    assert coalesced(extents) == ranges


def test_very_many_extents_coalesce() -> None:
    order = list(range(50_000))
    random.Random(1).shuffle(order)
    data = encode_header(HEADER) + encode_extents(HEADER, ((n * 8, n * 8 + 8, 0) for n in order))
    log = decode(data)
    assert log is not None
    ranges = coalesced(log.extents)
    assert list(ranges) == [(0, 400_000)]
