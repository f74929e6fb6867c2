"""Waits on a body: from a thread or a task, with a deadline and a token."""

from __future__ import annotations

from typing import TypeVar

from ._body import Body
from ._models import WaitOutcome
from ._waiters import Answer, CancelToken, TaskWaiter, ThreadWaiter, Waiter

_W = TypeVar("_W", bound=Waiter)


def wait_in_thread(
    body: Body, start: int, stop: int, timeout: float | None, token: CancelToken | None
) -> WaitOutcome:
    """Block until there is an answer."""
    found = _admit(body, start, stop, token, ThreadWaiter)
    if not isinstance(found, Waiter):
        return found
    try:
        return raise_or_return(found.wait(timeout))
    finally:
        _withdraw(body, found, token)


async def wait_in_task(
    body: Body, start: int, stop: int, timeout: float | None, token: CancelToken | None
) -> WaitOutcome:
    """Await the answer."""
    found = _admit(body, start, stop, token, TaskWaiter)
    if not isinstance(found, Waiter):
        return found
    try:
        return raise_or_return(await found.wait(timeout))
    finally:
        _withdraw(body, found, token)


def raise_or_return(answer: Answer) -> WaitOutcome:
    """An answer that is an error is raised, that very object."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def _admit(
    body: Body, start: int, stop: int, token: CancelToken | None, kind: type[_W]
) -> WaitOutcome | _W:
    if start < 0 or stop < start:
        raise ValueError(f"[{start}, {stop}) is not a range of bytes")
    if token is not None and token.error is not None:
        raise token.error
    found = body.admit_wait(start, stop, kind)
    if token is not None and isinstance(found, Waiter):
        token._attach(found)
    return found


def _withdraw(body: Body, waiter: Waiter, token: CancelToken | None) -> None:
    body.withdraw(waiter)
    if token is not None:
        token._detach(waiter)
