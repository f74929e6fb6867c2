import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._abr_meter import Transfer, TransferMeter
from kithara_hls._abr_protocol import DownloadSample


def test_one_transfer_is_its_bytes_over_the_time_that_they_flow() -> None:
    transfer = TransferMeter().start(10.0)
    transfer.received(1000, 10.5)
    transfer.received(3000, 12.5)
    sample = transfer.end(12.5)
    assert sample is not None
    assert (sample.size, sample.seconds, sample.ttfb) == (4000, 2.0, 0.5)
    assert not sample.cached


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
    first.received(5000, 1.0)
    second.received(5000, 1.0)
    assert first.end(1.01) is None
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
            st.sampled_from(["start", "bytes", "end"]), st.integers(0, 5), st.integers(0, 99)
        ),
        max_size=60,
    )
)
def test_no_byte_and_no_busy_second_is_lost_or_counted_twice(
    steps: list[tuple[str, int, int]],
) -> None:
    meter, now, busy, seconds = TransferMeter(), 0.0, 0.0, 0.0
    live: list[Transfer] = []
    flowing: list[Transfer] = []
    sent = told = 0

    def tell(sample: DownloadSample | None) -> tuple[int, float]:
        return (sample.size, sample.seconds) if sample is not None else (0, 0.0)

    for kind, which, amount in [*steps, *[("end", number, 0) for number in range(60)]]:
        busy += amount / 100 if flowing else 0.0
        now += amount / 100
        if kind == "start":
            live.append(meter.start(now))
        if kind == "start" or not live:
            continue
        transfer = live[which % len(live)]
        if kind == "bytes":
            transfer.received(amount, now)
            sent += amount
            flowing += [transfer] if transfer not in flowing else []
        else:
            size, lasted = tell(transfer.end(now))
            told, seconds = told + size, seconds + lasted
            live.remove(transfer)
            flowing = [other for other in flowing if other is not transfer]
    assert told == sent
    assert seconds == pytest.approx(busy)
