"""How often, and after which waits, something may be tried again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Generator

import backoff

from kithara_net._errors import NetError, UnexpectedStatus
from kithara_net._models import RetryPolicy
from kithara_net._trace import Retried, Trace

_log = logging.getLogger("kithara_net")

# What an expired redirect target answers; the original address may lead to a fresh one.
_EXPIRED = frozenset({401, 403, 404, 410})

Sleep = Callable[[float], Awaitable[None]]


class Budget:
    """The tries that are left until there is progress; a new one is due then."""

    def __init__(self, policy: RetryPolicy, sleep: Sleep, trace: Trace | None) -> None:
        self._policy = policy
        self._sleep = sleep
        self._trace = trace
        self._spent = 0
        self._resolved_again = False
        self._bounds: Generator[float, None, None] | None = None

    async def wait(self, error: NetError) -> None:
        """Return when the next try may begin; raise `error` if there is to be none."""
        if not self._may_retry(error):
            raise error
        self._spent += 1
        delay = self._delay(error)
        _log.warning(
            "%s; try %d of %d in %.1f s", error, self._spent, self._policy.max_retries, delay
        )
        if self._trace is not None:
            self._trace(Retried(url=error.url, error=error, attempt=self._spent, delay=delay))
        await self._sleep(delay)

    def _may_retry(self, error: NetError) -> bool:
        if self._spent >= self._policy.max_retries:
            return False
        if error.recoverable:
            return True
        expired = (
            isinstance(error, UnexpectedStatus) and error.redirected and error.status in _EXPIRED
        )
        if not expired or self._resolved_again:
            return False
        self._resolved_again = True
        return True

    def _delay(self, error: NetError) -> float:
        if self._bounds is None:
            policy = self._policy
            self._bounds = backoff.expo(factor=policy.base_delay, max_value=policy.max_delay)
            next(self._bounds)  # the first value only starts it
        delay = backoff.full_jitter(next(self._bounds))
        asked = error.retry_after if isinstance(error, UnexpectedStatus) else None
        return delay + min(asked or 0.0, self._policy.max_retry_after)
