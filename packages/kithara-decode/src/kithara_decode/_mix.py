"""Which channel goes where when their number changes, by ITU-R BS.775."""

import math

import numpy as np

from ._errors import UnsupportedFormat
from ._pcm import LAYOUTS, PcmSpec, Samples

# Front left, right, centre; low frequencies; back left, right, centre; side left, right.
_SPEAKERS = {
    "mono": "FC",
    "stereo": "FL FR",
    "2.1": "FL FR LF",
    "3.0": "FL FR FC",
    "3.0(back)": "FL FR BC",
    "3.1": "FL FR FC LF",
    "4.0": "FL FR FC BC",
    "quad": "FL FR BL BR",
    "quad(side)": "FL FR SL SR",
    "5.0": "FL FR FC BL BR",
    "5.0(side)": "FL FR FC SL SR",
    "5.1": "FL FR FC LF BL BR",
    "5.1(side)": "FL FR FC LF SL SR",
    "6.1": "FL FR FC LF BC SL SR",
    "7.1": "FL FR FC LF BL BR SL SR",
}
_HALF = math.sqrt(0.5)  # half the power: -3 dB
# Where a channel goes that the output does not have: the first line of speakers that are all there.
_ELSEWHERE: dict[str, tuple[dict[str, float], ...]] = {
    "FL": ({"FC": _HALF},),
    "FR": ({"FC": _HALF},),
    "FC": ({"FL": _HALF, "FR": _HALF},),
    "BL": ({"SL": 1.0}, {"BC": _HALF}, {"FL": _HALF}, {"FC": 0.5}),
    "BR": ({"SR": 1.0}, {"BC": _HALF}, {"FR": _HALF}, {"FC": 0.5}),
    "SL": ({"BL": 1.0}, {"BC": _HALF}, {"FL": _HALF}, {"FC": 0.5}),
    "SR": ({"BR": 1.0}, {"BC": _HALF}, {"FR": _HALF}, {"FC": 0.5}),
    "BC": ({"BL": _HALF, "BR": _HALF}, {"SL": _HALF, "SR": _HALF}, {"FL": 0.5, "FR": 0.5},
           {"FC": 0.5}),
    "LF": (),
}  # fmt: skip


def mix_matrix(source: PcmSpec, output: PcmSpec) -> Samples | None:
    """Return the matrix that frames are multiplied by, (channels in, channels out), or None.

    None where the number of channels stays. The low frequencies are left out where the output has
    no channel for them. Nothing is attenuated against overshoot. Raises UnsupportedFormat where
    it is not known what the channels are.
    """
    if source.channels == output.channels:
        return None
    inputs, outputs = _speakers(source), _speakers(output)
    matrix = np.zeros((len(inputs), len(outputs)), np.float32)
    for row, speaker in enumerate(inputs):
        choices = ({speaker: 1.0}, *_ELSEWHERE[speaker])
        for gains in choices:
            if gains.keys() <= set(outputs):
                for other, gain in gains.items():
                    # A place that the input fills itself gets the rest at half the power.
                    shared = gain == 1.0 and other != speaker and other in inputs
                    matrix[row, outputs.index(other)] = _HALF if shared else gain
                break
    return matrix


def _speakers(spec: PcmSpec) -> list[str]:
    names = _SPEAKERS.get(spec.layout or LAYOUTS.get(spec.channels, ""), "").split()
    if len(names) != spec.channels:
        names = _SPEAKERS.get(LAYOUTS.get(spec.channels, ""), "").split()
    if not names:
        raise UnsupportedFormat(
            f"it is not known how to mix {spec.channels} channels; open with an output of as many",
            container=None,
        )
    return names
