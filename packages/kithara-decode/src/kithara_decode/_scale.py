"""Samples of one type as another, by the rules that `open_decoder` tells."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ._pcm import AnySamples, SampleType


def scaled(array: npt.NDArray[Any], dtype: SampleType) -> AnySamples:
    """Return samples of any integer or float type as `dtype`; the same array if it is that."""
    if array.dtype == np.uint8:
        array = (array.astype(np.int16) - 128).astype(np.int8)
    if array.dtype == np.dtype(dtype):
        return array
    if array.dtype.kind == "i":
        return _from_integers(array, dtype)
    if dtype in ("float32", "float64"):
        return array.astype(dtype)
    full_scale = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
    whole = np.rint(np.nan_to_num(array.astype(np.float64), posinf=1.0, neginf=-1.0) * full_scale)
    return whole.clip(-full_scale, full_scale - 1).astype(dtype)


def _from_integers(array: npt.NDArray[Any], dtype: SampleType) -> AnySamples:
    bits = 8 * array.dtype.itemsize
    if dtype in ("float32", "float64"):
        floats: AnySamples = array.astype(dtype) * np.dtype(dtype).type(2.0 ** (1 - bits))
        return floats
    shift = 8 * np.dtype(dtype).itemsize - bits
    wide = array.astype(dtype) if shift >= 0 else array
    shifted: AnySamples = (wide << shift if shift >= 0 else wide >> -shift).astype(dtype)
    return shifted
