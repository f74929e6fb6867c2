import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_hls._abr_protocol import AbrSettings, AbrVariant, is_lossless

AAC, FLAC = ("mp4a.40.2",), ("fLaC",)
LADDER = (
    AbrVariant(bitrate=256e3, codecs=AAC),
    AbrVariant(bitrate=64e3, codecs=AAC),
    AbrVariant(bitrate=1000e3, codecs=FLAC),
    AbrVariant(bitrate=128e3, codecs=("opus",)),
)


def test_candidates_come_by_rising_bitrate_and_lossless_only_if_allowed() -> None:
    assert AbrSettings().candidates(LADDER) == (1, 3, 0)
    assert AbrSettings(lossless=True).candidates(LADDER) == (1, 3, 0, 2)


def test_a_ladder_that_is_lossless_throughout_plays() -> None:
    assert AbrSettings().candidates((LADDER[2],)) == (0,)


def test_lossless_does_not_step_in_for_lossy_variants_that_failed() -> None:
    assert AbrSettings().candidates(LADDER, excluded={0, 1, 3}) == ()


def test_the_cap_is_kept_and_the_floor_where_something_is_left() -> None:
    assert AbrSettings(max_bitrate=128e3).candidates(LADDER) == (1, 3)
    assert AbrSettings(max_bitrate=63e3).candidates(LADDER) == ()
    assert AbrSettings(min_bitrate=100e3).candidates(LADDER) == (3, 0)
    assert AbrSettings(min_bitrate=100e3).candidates(LADDER, excluded=(0, 3)) == (1,)
    assert AbrSettings(min_bitrate=200e3, max_bitrate=250e3).candidates(LADDER) == (3,)


def test_codecs_are_prefixes_in_any_case() -> None:
    assert AbrSettings(allowed_codecs=("MP4A",)).candidates(LADDER) == (1, 0)
    assert AbrSettings(allowed_codecs=("flac",)).candidates(LADDER) == (2,)
    assert AbrSettings(allowed_codecs=()).candidates(LADDER) == ()


@pytest.mark.parametrize("name", ["fLaC", "flac", "alac", "ALAC"])
def test_lossless_names(name: str) -> None:
    assert is_lossless((name,))
    assert not is_lossless(("mp4a.40.2", "ec-3"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"safety_factor": 0.0},
        {"safety_factor": float("nan")},
        {"up_hysteresis": -1.0},
        {"down_hysteresis": -1.0},
        {"min_switch_interval": -1.0},
        {"buffer_goal": 0.0},
        {"min_bitrate": 2e5, "max_bitrate": 1e5},
    ],
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        AbrSettings(**wrong)  # type: ignore[arg-type] # the keys are numbers' names


@pytest.mark.parametrize("bitrate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_bitrate_is_positive_and_finite(bitrate: float) -> None:
    with pytest.raises(ValueError, match="bitrate"):
        AbrVariant(bitrate=bitrate)


@given(
    bitrates=st.lists(st.integers(16, 2000), min_size=1, max_size=8),
    lossless=st.sets(st.integers(0, 7)),
    excluded=st.sets(st.integers(0, 7)),
    cap=st.integers(16, 2000),
    allow=st.booleans(),
)
def test_candidates_are_never_excluded_nor_above_the_cap_nor_of_a_wrong_codec(
    bitrates: list[int], lossless: set[int], excluded: set[int], cap: int, allow: bool
) -> None:
    ladder = tuple(
        AbrVariant(bitrate=1e3 * rate, codecs=FLAC if number in lossless else AAC)
        for number, rate in enumerate(bitrates)
    )
    settings = AbrSettings(max_bitrate=1e3 * cap, lossless=allow)
    found = settings.candidates(ladder, excluded)
    assert not set(found) & excluded
    assert all(ladder[number].bitrate <= 1e3 * cap for number in found)
    kinds = {is_lossless(ladder[number].codecs) for number in found}
    assert allow or len(kinds) <= 1
    assert [ladder[n].bitrate for n in found] == sorted(ladder[n].bitrate for n in found)
