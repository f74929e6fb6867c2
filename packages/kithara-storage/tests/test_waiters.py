from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kithara_storage import CancelToken, DiskWriter, StreamingResource
from kithara_storage._waiters import ThreadWaiter


class Interrupted(Exception):
    pass


@pytest.fixture
def resource(tmp_path: Path, writer: DiskWriter) -> StreamingResource:
    return StreamingResource.open(tmp_path / "a", writer)


def test_a_token_ends_waits_of_threads_on_many_resources(
    tmp_path: Path, writer: DiskWriter
) -> None:
    token, error = CancelToken(), Interrupted()
    with ThreadPoolExecutor(6) as pool:
        resources = [StreamingResource.open(tmp_path / f"{n}", writer) for n in range(6)]
        waits = [pool.submit(one.wait_range, 0, 1, 30, token) for one in resources]
        canceller = threading.Thread(target=token.cancel, args=(error,))
        canceller.start()
        canceller.join()
        assert all(wait.exception(30) is error for wait in waits)
    for one in resources:
        one.close()
    assert token.cancelled
    assert token.error is error
    assert token._waiters == set()


async def test_a_token_ends_waits_of_tasks_from_another_thread(
    resource: StreamingResource,
) -> None:
    token, error = CancelToken(), Interrupted()
    tasks = [asyncio.create_task(resource.wait_range_async(0, n + 1, 30, token)) for n in range(20)]
    await asyncio.sleep(0)
    assert len(token._waiters) == 20
    thread = threading.Thread(target=token.cancel, args=(error,))
    thread.start()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    thread.join()
    assert all(one is error for one in found)
    assert token._waiters == set()
    resource.close()


def test_a_cancelled_token_refuses_even_what_is_there(resource: StreamingResource) -> None:
    token = CancelToken()
    token.cancel(Interrupted("first"))
    token.cancel(Interrupted("second"))
    with pytest.raises(Interrupted, match="first"):
        resource.wait_range(0, 0, token=token)
    resource.close()


async def test_a_token_lets_go_of_waits_that_ended(resource: StreamingResource) -> None:
    token = CancelToken()
    task = asyncio.create_task(resource.wait_range_async(0, 1, token=token))
    await asyncio.sleep(0)
    await resource.write_at(0, b"x")
    assert await task == "ready"
    with pytest.raises(TimeoutError):
        await resource.wait_range_async(5, 6, 0, token)
    assert token._waiters == set()
    resource.close()


def test_deadlines_are_seconds_and_name_the_range(resource: StreamingResource) -> None:
    for timeout in (0, -1, 0.001):
        with pytest.raises(TimeoutError, match="bytes 7-9"):
            resource.wait_range(7, 9, timeout)
    assert resource._body._waiters == {}
    resource.close()


async def test_a_cancelled_task_leaves_the_list(resource: StreamingResource) -> None:
    task = asyncio.create_task(resource.wait_range_async(0, 1))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert resource._body._waiters == {}
    resource.close()


def test_the_first_answer_counts() -> None:
    waiter = ThreadWaiter(0, 1)
    assert waiter.settle("ready")
    assert not waiter.settle(Interrupted())
    waiter.wake()
    assert waiter.wait(30) == "ready"


def test_a_cancel_between_the_check_and_the_wait_is_not_lost() -> None:
    token, waiter, error = CancelToken(), ThreadWaiter(0, 1), Interrupted()
    token.cancel(error)
    token._attach(waiter)
    assert waiter.wait(30) is error


def test_a_loop_that_is_gone_does_not_stop_the_others(resource: StreamingResource) -> None:
    loop = asyncio.new_event_loop()
    task = loop.create_task(resource.wait_range_async(0, 1))
    loop.run_until_complete(asyncio.sleep(0))
    with ThreadPoolExecutor(1) as pool:
        wait = pool.submit(resource.wait_range, 0, 1, 30)
        task.cancel()  # so that the task is not reported as pending; its waiter is still listed
        loop.close()
        asyncio.run(resource.write_at(0, b"x"))
        assert wait.result(30) == "ready"
    task.get_coro().close()
    resource.close()
