"""Events for those who watch: never in the way of the bytes."""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Generic, Self, TypeVar

Event = TypeVar("Event")


class Subscription(Generic[Event]):
    """One subscriber's view of a channel: an async iterator that ends when the channel closes."""

    def __init__(self, channel: "EventChannel[Event]", limit: int) -> None:
        self._channel = channel
        self._limit = limit
        self._queue: deque[tuple[Event, bool]] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    def _put(self, event: Event, droppable: bool) -> None:
        if len(self._queue) >= self._limit:
            oldest = next((i for i, (_, drop) in enumerate(self._queue) if drop), None)
            if oldest is not None:
                del self._queue[oldest]
            elif droppable:
                return
        self._queue.append((event, droppable))
        self._arrived.set()

    def _end(self) -> None:
        self._closed = True
        self._arrived.set()

    def close(self) -> None:
        """Stop receiving; what has arrived can still be read. Idempotent."""
        self._channel._leave(self)
        self._end()

    def take(self) -> list[Event]:
        """What has arrived and was not read, without waiting."""
        taken = [event for event, _ in self._queue]
        self._queue.clear()
        return taken

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()[0]


class EventChannel(Generic[Event]):
    """Hands each event to every subscriber. Belongs to one event loop and never blocks it.

    A subscriber that does not keep up loses its oldest droppable events (progress); an event that
    was published as not droppable (a change of state) is always delivered, and a later subscriber
    is told the changes of state so far first (the last 1024 of them).
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._history: deque[Event] = deque(maxlen=1024)
        self._subscriptions: list[Subscription[Event]] = []
        self._closed = False

    def publish(self, event: Event, *, droppable: bool = False) -> None:
        """Hand `event` to all subscribers; one that is not droppable to later ones too."""
        if not droppable:
            self._history.append(event)
        for subscription in self._subscriptions:
            subscription._put(event, droppable)

    def publish_soon(self, loop: asyncio.AbstractEventLoop, event: Event) -> None:
        """As `publish`, from any thread; `loop` is the one that the channel belongs to."""
        with suppress(RuntimeError):  # a closed loop has nobody who watches
            loop.call_soon_threadsafe(self.publish, event)

    def subscribe(self) -> Subscription[Event]:
        """Receive the changes of state so far and what comes; ends when the channel is closed."""
        subscription = Subscription(self, self._limit)
        for event in self._history:
            subscription._put(event, droppable=False)
        if self._closed:
            subscription._end()
        else:
            self._subscriptions.append(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription once it has been read to the end. Idempotent."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription._end()
        self._subscriptions.clear()

    def _leave(self, subscription: Subscription[Event]) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
