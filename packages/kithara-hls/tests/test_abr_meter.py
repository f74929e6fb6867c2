import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._abr_meter import Transfer, TransferMeter
from kithara_hls._abr_protocol import DownloadSample


def test_one_transfer_is_its_bytes_over_the_time_that_they_flow() -> None:
    """The first piece was on its way before the clock ran: it belongs to the wait."""
    transfer = TransferMeter().start(10.0)
    transfer.received(1000, 10.5)
    transfer.received(3000, 12.5)
    sample = transfer.end(12.5)
    assert sample is not None
    assert (sample.size, sample.seconds, sample.ttfb) == (3000, 2.0, 0.5)
    assert not sample.cached
    assert not sample.burst


def test_a_body_that_came_at_once_counts_whole() -> None:
    transfer = TransferMeter().start(10.0)
    transfer.received(60_000, 10.5)
    sample = transfer.end(10.501)
    assert sample is not None
    assert sample.size == 60_000
    assert sample.burst


def test_an_answer_that_waited_behind_another_body_has_no_time_of_its_own() -> None:
    meter = TransferMeter()
    first = meter.start(0.0)
    first.received(0, 0.1)
    second = meter.start(0.5)
    first.received(1000, 2.0)
    assert first.end(2.0) == DownloadSample(size=1000, seconds=1.9, ttfb=0.1)
    second.received(1000, 2.0)
    second.received(1000, 3.0)
    assert second.end(3.0) == DownloadSample(size=1000, seconds=1.0, ttfb=None)


def test_what_flowed_so_far_is_told_once() -> None:
    meter = TransferMeter()
    transfer = meter.start(0.0)
    assert meter.so_far(0.5) is None
    transfer.received(100, 1.0)
    transfer.received(4000, 3.0)
    assert meter.so_far(3.0) == DownloadSample(size=4000, seconds=2.0)
    assert meter.so_far(3.01) is None
    transfer.received(1000, 4.0)
    assert transfer.end(4.0) == DownloadSample(size=1000, seconds=1.0, ttfb=1.0)


def test_parallel_transfers_are_one_path() -> None:
    """Three at a third of the rate each: the path has the whole rate, not a third."""
    meter = TransferMeter()
    transfers = [meter.start(0.0) for _ in range(3)]
    for second in range(11):
        for transfer in transfers:
            transfer.received(1000 if second else 0, 1.0 + second)
    samples = [sample for t in transfers if (sample := t.end(11.0)) is not None]
    assert sum(s.size for s in samples) == 30_000
    assert sum(s.seconds for s in samples) == pytest.approx(10.0)
    assert samples[0].size / samples[0].seconds == pytest.approx(3000.0)


def test_what_ends_together_gives_no_sample_of_no_length() -> None:
    meter = TransferMeter()
    first, second = meter.start(0.0), meter.start(0.0)
    first.received(0, 1.0)
    second.received(5000, 1.0)
    assert first.end(1.01) is None
    second.received(5000, 2.0)
    last = second.end(2.0)
    assert last is not None
    assert last.size == 10_000
    assert last.seconds == pytest.approx(1.0)


def test_an_idle_path_is_not_a_slow_one() -> None:
    meter = TransferMeter()
    for began in (0.0, 100.0):
        transfer = meter.start(began)
        transfer.received(0, began + 1.0)
        transfer.received(2000, began + 2.0)
        sample = transfer.end(began + 2.0)
        assert sample is not None
        assert (sample.size, sample.seconds) == (2000, 1.0)


def test_a_transfer_without_a_body_or_ended_before_tells_nothing() -> None:
    meter = TransferMeter()
    silent = meter.start(0.0)
    assert silent.ttfb is None
    assert silent.elapsed(3.0) == 3.0
    assert silent.end(5.0) is None
    transfer = meter.start(5.0)
    transfer.received(10, 6.0)
    assert transfer.end(7.0) is not None
    assert transfer.end(8.0) is None
    transfer.received(10, 9.0)
    assert transfer.bytes_received == 10


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["start", "bytes", "end", "so far"]),
            st.integers(0, 5),
            st.integers(0, 99),
        ),
        max_size=60,
    )
)
def test_no_byte_and_no_busy_second_is_lost_or_counted_twice(
    steps: list[tuple[str, int, int]],
) -> None:
    """But for the pieces with which an idle path begins, where that flows for a while."""
    meter, now, busy, seconds = TransferMeter(), 0.0, 0.0, 0.0
    live: list[Transfer] = []
    flowing: list[Transfer] = []
    sent = told = early = 0

    def tell(sample: DownloadSample | None) -> None:
        nonlocal told, seconds, early
        if sample is None:
            return
        told += sample.size + (early if sample.seconds >= 0.05 else 0)
        seconds, early = seconds + sample.seconds, 0

    for kind, which, amount in [*steps, *[("end", number, 0) for number in range(60)]]:
        busy += amount / 100 if flowing else 0.0
        now += amount / 100
        if kind == "start":
            live.append(meter.start(now))
        if kind == "so far":
            tell(meter.so_far(now))
        if kind in ("start", "so far") or not live:
            continue
        transfer = live[which % len(live)]
        if kind == "bytes":
            transfer.received(amount, now)
            sent += amount
            early += 0 if flowing else amount
            flowing += [transfer] if transfer not in flowing else []
        else:
            tell(transfer.end(now))
            live.remove(transfer)
            flowing = [other for other in flowing if other is not transfer]
    assert told == sent
    assert seconds == pytest.approx(busy)
