"""How often something is asked for again, and after which waits."""

import asyncio
import random
from typing import Final

from kithara_net import NetError, RetryPolicy, UnexpectedStatus

from ._tally import Tally

__all__ = ("Patience",)

# Beside what net calls recoverable: edges of a CDN answer these while a new segment travels.
_MAY_COME: Final = frozenset((401, 403, 404, 410))


class Patience:
    """The tries that are left for one thing: full jitter, doubling; progress renews them.

    Each is counted in ``tally``. What ``may_come`` is also asked for again where a server refuses
    it or does not know it.
    """

    def __init__(self, policy: RetryPolicy, tally: Tally, *, may_come: bool = True) -> None:
        self._policy = policy
        self._tally = tally
        self._may_come = may_come
        self._spent = 0

    def progress(self) -> None:
        """Bytes arrived: all tries are available again."""
        self._spent = 0

    async def wait(self, error: NetError) -> None:
        """Return when the next try may begin; raise ``error`` if there is to be none."""
        policy = self._policy
        status = error.status if isinstance(error, UnexpectedStatus) else None
        again = error.recoverable or (self._may_come and status in _MAY_COME)
        if self._spent >= policy.max_retries or not again:
            raise error
        bound = min(policy.max_delay, policy.base_delay * 2**self._spent)
        self._spent += 1
        delay = random.uniform(0, bound)
        if isinstance(error, UnexpectedStatus) and error.retry_after:
            delay += min(error.retry_after, policy.max_retry_after)
        await asyncio.sleep(delay)
        self._tally.retries += 1
