"""Channels by ITU-R BS.775, against the ffmpeg command line, which follows it for floats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from decode_files import RATE, Media, ffmpeg

from kithara_decode import PcmSpec, UnsupportedFormat
from kithara_decode._mix import mix_matrix

LAYOUTS = {"mono": 1, "stereo": 2, "3.0": 3, "4.0": 4, "quad": 4, "5.0": 5, "5.1": 6,
           "5.1(side)": 6, "6.1": 7, "7.1": 8}  # fmt: skip


def spec(layout: str | None, channels: int = 0) -> PcmSpec:
    return PcmSpec(sample_rate=RATE, channels=channels or LAYOUTS[layout or ""], layout=layout)


@pytest.mark.parametrize("source", LAYOUTS)
def test_matrices_are_ffmpegs(media: Media, source: str) -> None:
    count = LAYOUTS[source]
    path = media.folder / f"mix-{source}.f32"
    np.eye(count, dtype=np.float32).repeat(16, axis=0).tofile(path)  # one channel after the other
    outputs = [output for output in ("mono", "stereo", "5.1") if LAYOUTS[output] != count]
    words: list[str | Path] = ["-f", "f32le", "-ac", str(count), "-channel_layout", source]
    words += ["-i", path]
    for output in outputs:
        # Attenuated for integers only.
        words += ["-af", f"aresample=rematrix_maxval=9:out_chlayout={output}", "-f", "f32le"]
        words += [media.folder / f"mixed-{output}.f32"]
    ffmpeg(*words)
    for output in outputs:
        matrix = mix_matrix(spec(source), spec(output))
        assert matrix is not None
        mixed = np.fromfile(media.folder / f"mixed-{output}.f32", np.float32)
        assert np.allclose(mixed.reshape(-1, LAYOUTS[output])[::16], matrix, atol=1e-6)


def test_as_many_channels_stay_where_they_are() -> None:
    assert mix_matrix(spec("4.0"), spec("quad")) is None


def test_what_is_not_known_cannot_be_mixed() -> None:
    assert mix_matrix(spec(None, 9), spec(None, 9)) is None
    for layout in (None, "9.1"):
        with pytest.raises(UnsupportedFormat, match="9 channels"):
            mix_matrix(spec(layout, 9), spec("stereo"))


def test_a_name_that_does_not_fit_is_not_believed() -> None:
    odd = mix_matrix(spec("5.1", 3), spec("stereo"))
    expected = mix_matrix(spec("3.0"), spec("stereo"))
    assert odd is not None
    assert expected is not None
    assert np.array_equal(odd, expected)
