import asyncio
import signal
import threading

import pytest

from kithara_stream import LoopThread


def test_run_gives_the_result_or_raises_the_error() -> None:
    async def work(value: int) -> int:
        await asyncio.sleep(0)
        return 10 // value

    with LoopThread() as loop:
        assert loop.run(work(2)) == 5
        with pytest.raises(ZeroDivisionError):
            loop.run(work(0))


def test_close_cancels_what_runs_and_ends_the_thread() -> None:
    cleaned = threading.Event()
    started = threading.Event()

    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    before = threading.active_count()
    loop = LoopThread()
    asyncio.run_coroutine_threadsafe(endless(), loop.loop)
    started.wait()
    loop.close()
    loop.close()
    assert cleaned.is_set()
    assert threading.active_count() == before


def test_a_closed_loop_refuses_work() -> None:
    async def work() -> None: ...

    loop = LoopThread()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run(work())


def test_work_begun_while_closing_ends() -> None:
    """Either it is refused, or it is cancelled: it never waits for a loop that is gone."""

    async def endless() -> None:
        await asyncio.Event().wait()

    outcomes: list[BaseException] = []

    def run(loop: LoopThread, ready: threading.Barrier) -> None:
        ready.wait()
        try:
            loop.run(endless())
        except (RuntimeError, asyncio.CancelledError) as error:
            outcomes.append(error)

    for _ in range(100):
        loop, ready = LoopThread(), threading.Barrier(3)
        runs = [threading.Thread(target=run, args=(loop, ready), daemon=True) for _ in range(2)]
        for thread in runs:
            thread.start()
        ready.wait()
        loop.close()
        for thread in runs:
            thread.join(5)
    assert len(outcomes) == 200


def test_running_from_the_loop_itself_is_refused() -> None:
    async def nothing() -> None: ...

    with LoopThread() as loop:

        async def work() -> None:
            loop.run(nothing())

        with pytest.raises(RuntimeError, match="own thread"):
            loop.run(work())


def test_an_interrupt_cancels_the_work_and_waits_for_its_clean_up() -> None:
    cleaned = threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    async def endless() -> None:
        signal.pthread_kill(main, signal.SIGINT)  # the main thread waits in run()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.set()

    with LoopThread() as loop:
        with pytest.raises(KeyboardInterrupt):
            loop.run(endless())
        assert cleaned.is_set()
