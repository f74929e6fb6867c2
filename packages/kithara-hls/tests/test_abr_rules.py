import pytest

from kithara_hls._abr_protocol import AbrPolicy, AbrState, AbrVariant, CanAbandon, DownloadSample
from kithara_hls._abr_rules import BolaRule, FixedRule, ThroughputRule

LADDER = tuple(AbrVariant(bitrate=1000.0 * k) for k in (64, 96, 128, 192, 256, 320))


def state(
    *,
    buffer: float = 20.0,
    current: int | None = 2,
    candidates: tuple[int, ...] = (0, 1, 2, 3, 4, 5),
) -> AbrState:
    return AbrState(
        now=0.0,
        buffer=buffer,
        buffer_goal=60.0,
        current=current,
        segment=6.0,
        remaining=600.0,
        variants=LADDER,
        candidates=candidates,
        playing=True,
    )


def feed(rule: AbrPolicy, rate: float) -> None:
    for _ in range(8):
        rule.on_download(DownloadSample(size=int(rate / 2), seconds=4.0, ttfb=0.1))


def test_fixed_stays_unless_it_is_not_available() -> None:
    rule = FixedRule(3)
    feed(rule, 1e4)
    assert rule.decide(state(buffer=0.0)).variant == 3
    assert rule.decide(state(candidates=(0, 1, 4))).variant == 1
    assert rule.decide(state(candidates=(4, 5))).variant == 4
    assert FixedRule(17).decide(state()).variant == 0
    assert rule.decide(state()).reason == "fixed"


def test_throughput_steps_up_with_room_to_spare_and_down_without() -> None:
    rule = ThroughputRule()
    feed(rule, 210e3)
    assert rule.decide(state(current=0)).variant == 2
    assert rule.decide(state(current=3)).variant == 3
    assert rule.decide(state(current=5)).variant == 3
    assert rule.decide(state(current=5, candidates=(0, 5))).variant == 0
    told = rule.decide(state(current=None))
    assert told.reason == "start"
    assert told.estimate is not None
    assert told.estimate.rate == pytest.approx(210e3)


def test_throughput_does_not_learn_from_the_cache() -> None:
    rule = ThroughputRule()
    feed(rule, 210e3)
    before = rule.decide(state())
    rule.on_download(DownloadSample(size=10**7, seconds=0.01, cached=True))
    rule.on_download(DownloadSample(size=0, seconds=1.0))
    assert rule.decide(state()) == before


def test_bola_climbs_with_the_buffer_alone() -> None:
    rule = BolaRule()
    feed(rule, 1e9)
    chosen = [rule.decide(state(buffer=float(b))).variant for b in range(60)]
    assert chosen == sorted(chosen)
    assert (chosen[0], chosen[-1]) == (0, 5)
    some = rule.decide(state(buffer=59.0, candidates=(1, 3)))
    assert some.variant == 3
    assert some.merits[0] is None


def test_they_are_policies_and_do_not_abandon() -> None:
    rules: tuple[AbrPolicy, ...] = (FixedRule(0), ThroughputRule(), BolaRule())
    assert not any(isinstance(rule, CanAbandon) for rule in rules)
