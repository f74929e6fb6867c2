"""Cancelled or closed at every wait: nothing is left, and what was fetched stays."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from statistics import median
from time import monotonic
from typing import Any, TypeVar

import pytest

from kithara_file import FileSession, FileSource
from kithara_net.testing import Server
from kithara_stream import Cancelled

Make = Callable[..., FileSource]
T = TypeVar("T")


class CancelledAt:
    """Awaits a coroutine and cancels the task right before it waits for the nth time."""

    def __init__(self, work: Coroutine[Any, Any, T], at: int) -> None:
        self._work: Coroutine[Any, Any, Any] = work
        self._at = at
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, count = self._work.__await__(), 0
        thrown: BaseException | None = None
        while True:
            try:
                waits_for = next(steps) if thrown is None else steps.throw(thrown)
            except StopIteration as stop:
                return stop.value
            count += 1
            if count == self._at:
                self.reached = True
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            try:
                yield waits_for
            except BaseException as error:  # noqa: BLE001 # handed on to the coroutine
                thrown = error
            else:
                thrown = None


async def cancelled_at(work: Coroutine[Any, Any, T], at: int) -> bool:
    """Whether the work waited that often."""
    waiting = CancelledAt(work, at)
    try:
        await waiting
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
    return waiting.reached


async def opening_cancelled_at(source: FileSource, at: int) -> bool:
    """As `cancelled_at`; what was opened nevertheless is closed."""
    opened: list[FileSession] = []

    async def work() -> None:
        opened.append(await source.open())

    reached = await cancelled_at(work(), at)
    for session in opened:
        await session.aclose()
    return reached


async def read(session: FileSession) -> bytes:
    with session.reader() as reader:
        return await asyncio.to_thread(reader.read)


async def whole(source: FileSource) -> None:
    """Everything that a session does, as one piece of work."""
    async with source as session:
        await session.wait_complete()


async def test_a_whole_session(server: Server, source: Make, song: bytes) -> None:
    server.add("/a.mp3", song)
    at = 0
    while True:
        at += 1
        made = source(server.url("/a.mp3"), discriminator=str(at))
        if not await cancelled_at(whole(made), at):
            break
    assert at > 1
    async with source(server.url("/a.mp3")) as session:
        assert await read(session) == song


async def test_a_session_that_resumes(server: Server, source: Make, song: bytes) -> None:
    """What was here before is here after, each time."""
    server.add("/a.mp3", song, rotate_etag=True, script=[{"stall_after": 200_000}])
    async with source(server.url("/a.mp3")) as session:
        await asyncio.to_thread(session.source().wait_range, 0, 200_000)
    at, reached = 0, True
    while reached:
        at += 1
        reached = await opening_cancelled_at(source(server.url("/a.mp3"), look_ahead=1), at)
        async with source(server.url("/a.mp3"), offline=True) as session:
            assert session.stats.bytes_cached >= 200_000
    assert at > 1


@pytest.mark.parametrize("behaviour", [{}, {"stall_after": 100_000}])
async def test_closing_itself(
    server: Server, source: Make, song: bytes, behaviour: dict[str, Any]
) -> None:
    """Who is cancelled while he closes may close again."""
    server.add("/a.mp3", song, **behaviour)
    at = 0
    while True:
        at += 1
        session = await source(server.url("/a.mp3"), discriminator=str(at)).open()
        reached = await cancelled_at(session.aclose(), at)
        async with asyncio.timeout(10):
            await session.aclose()
        if not reached:
            break
    assert at > 1


async def test_who_follows(server: Server, source: Make, song: bytes) -> None:
    resource = server.add("/a.mp3", song, stall_after=200_000)
    async with source(server.url("/a.mp3")) as leader:
        await asyncio.to_thread(leader.source().wait_range, 0, 200_000)
        at, reached = 0, True
        while reached:
            at += 1
            reached = await opening_cancelled_at(source(server.url("/a.mp3")), at)
        assert at > 1
        resource.release()
        assert await read(leader) == song


async def test_a_reader_that_is_closed_by_its_session(
    server: Server, source: Make, song: bytes
) -> None:
    """Leading, following and alone: within a moment nobody waits."""
    server.add("/a.mp3", song, stall_after=200_000)
    leader = await source(server.url("/a.mp3")).open()
    follower = await source(server.url("/a.mp3")).open()
    alone = await source(server.url("/a.mp3"), discriminator="2").open()
    sessions = (leader, follower, alone)
    readings = [asyncio.create_task(read(session)) for session in sessions]
    for session in sessions:
        view = session.source()
        await asyncio.to_thread(view.wait_range, 0, 200_000)
    async with asyncio.timeout(5):
        for session, reading in zip(reversed(sessions), reversed(readings), strict=True):
            await session.aclose()
            with pytest.raises(Cancelled):
                await reading


async def test_closing_usually_takes_less_than_100_ms(
    server: Server, source: Make, song: bytes
) -> None:
    """A reader that waits, a server that is silent, a connection ahead: all of them gone."""
    server.add("/a.mp3", song, stall_after=200_000)
    took = []
    for number in range(9):
        session = await source(server.url("/a.mp3"), discriminator=str(number)).open()
        reading = asyncio.create_task(read(session))
        await asyncio.to_thread(session.source().wait_range, 0, 200_000)
        began = monotonic()
        await session.aclose()
        with pytest.raises(Cancelled):
            await reading
        took.append(monotonic() - began)
    assert median(took) < 0.1
