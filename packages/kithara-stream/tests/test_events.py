import asyncio

from kithara_stream import EventChannel


async def test_every_subscriber_gets_every_event_and_the_end() -> None:
    channel: EventChannel[int] = EventChannel()
    first, second = channel.subscribe(), channel.subscribe()
    channel.publish(1)
    channel.publish(2)
    channel.close()
    assert [event async for event in first] == [1, 2]
    assert [event async for event in second] == [1, 2]


async def test_a_slow_subscriber_loses_its_oldest_progress_but_no_change_of_state() -> None:
    channel: EventChannel[str] = EventChannel(limit=3)
    slow = channel.subscribe()
    channel.publish("connected")
    for i in range(10):
        channel.publish(f"progress {i}", droppable=True)
    channel.publish("complete")
    channel.close()
    assert [event async for event in slow] == ["connected", "progress 9", "complete"]


async def test_changes_of_state_are_kept_even_beyond_the_limit() -> None:
    channel: EventChannel[int] = EventChannel(limit=2)
    slow = channel.subscribe()
    for i in range(5):
        channel.publish(i)
    channel.publish(99, droppable=True)
    channel.close()
    assert [event async for event in slow] == [0, 1, 2, 3, 4]


async def test_a_later_subscriber_is_told_the_changes_of_state_first() -> None:
    channel: EventChannel[str] = EventChannel()
    channel.publish("connected")
    channel.publish("progress", droppable=True)
    late = channel.subscribe()
    channel.publish("complete")
    channel.close()
    assert [event async for event in late] == ["connected", "complete"]
    assert [event async for event in channel.subscribe()] == ["connected", "complete"]


async def test_a_waiting_subscriber_is_woken() -> None:
    channel: EventChannel[int] = EventChannel()
    subscription = channel.subscribe()
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    channel.publish(7)
    assert await waiting == 7


async def test_what_has_arrived_is_taken_without_waiting() -> None:
    channel: EventChannel[int] = EventChannel()
    subscription = channel.subscribe()
    assert subscription.take() == []
    channel.publish(1)
    channel.publish(2, droppable=True)
    assert subscription.take() == [1, 2]
    channel.publish(3)
    channel.close()
    assert [event async for event in subscription] == [3]


async def test_closing_a_subscription_ends_it_alone() -> None:
    channel: EventChannel[int] = EventChannel()
    left, stays = channel.subscribe(), channel.subscribe()
    left.close()
    left.close()
    channel.publish(1)
    channel.close()
    assert [event async for event in left] == []
    assert [event async for event in stays] == [1]


async def test_any_thread_publishes_on_the_loop() -> None:
    channel: EventChannel[int] = EventChannel()
    heard = channel.subscribe()
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(channel.publish_soon, loop, 7)
    assert await anext(heard) == 7


def test_publishing_to_a_loop_that_is_gone_is_nothing() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    EventChannel[int]().publish_soon(loop, 7)
