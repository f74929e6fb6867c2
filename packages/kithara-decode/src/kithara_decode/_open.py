"""Opens an input with the first backend that takes it. The table of backends stands here."""

from typing import Any, Literal, get_args, overload

import numpy as np

from . import _av, _flac, _mpg123, _ogg, _sndfile
from ._decoder import BaseDecoder
from ._errors import UnsupportedFormat
from ._input import Input
from ._options import Options
from ._pcm import Sample, SampleType
from ._protocols import BinaryFile, Decoder
from ._sniff import sniff

# In the order of preference. A new backend is one file with a BACKEND, and its line here.
BACKENDS = (
    _mpg123.BACKEND,
    _sndfile.BACKEND,
    _flac.BACKEND,
    _ogg.BACKEND,
    _av.BACKEND,
)

_NO_AUDIO = {
    "": "the input is empty",
    "html": "the input is an HTML page, not audio; look at the URL or the login that led to it",
    "hls": "the input is an HLS playlist, not audio; open its URL with kithara-hls",
}


@overload
def open_decoder(
    file: BinaryFile,
    *,
    hint: str | None = None,
    dtype: Literal["float32"] = "float32",
    strict: bool = False,
) -> Decoder[np.float32]: ...


@overload
def open_decoder(
    file: BinaryFile,
    *,
    hint: str | None = None,
    dtype: Literal["float64"],
    strict: bool = False,
) -> Decoder[np.float64]: ...


@overload
def open_decoder(
    file: BinaryFile,
    *,
    hint: str | None = None,
    dtype: Literal["int16"],
    strict: bool = False,
) -> Decoder[np.int16]: ...


@overload
def open_decoder(
    file: BinaryFile,
    *,
    hint: str | None = None,
    dtype: Literal["int32"],
    strict: bool = False,
) -> Decoder[np.int32]: ...


@overload
def open_decoder(
    file: BinaryFile,
    *,
    hint: str | None = None,
    dtype: SampleType,
    strict: bool = False,
) -> Decoder[Sample]: ...


def open_decoder(
    file: BinaryFile,
    *,
    hint: str | None = None,
    dtype: SampleType = "float32",
    strict: bool = False,
) -> Decoder[Any]:
    """Open a decoder for the bytes of a file, from its first byte (its present one if unseekable).

    The bytes decide; `hint`, a container's name such as "mp3", counts only where they say nothing.
    The file stays the caller's: closing the decoder does not close it.

    `dtype` is the type of the samples. Floats have their full scale at [-1, 1) and are not
    clipped; integers have it at [-2^15, 2^15) or [-2^31, 2^31). An integer source of n bits is
    shifted between integers, dropping low bits where there is no room, and divided by 2^(n-1) for
    floats. Float sources, and lossy codecs, are rounded to the nearest integer and clipped.

    Where the input is damaged, what cannot be decoded is passed over and counted in `losses`;
    with `strict` it raises CorruptAudio behind the frames before it.

    Raises UnsupportedFormat, CorruptAudio when the headers are damaged, and whatever the file
    raises while it is read, as the same object.
    """
    if dtype not in get_args(SampleType):
        raise ValueError(f"dtype must be one of {', '.join(get_args(SampleType))}, not {dtype!r}")
    return open_input(Input(file), hint, Options(dtype=dtype, strict=strict))


def open_input(source: Input, hint: str | None, options: Options) -> BaseDecoder:
    """Do what `open_decoder` does."""
    container = sniff(source)
    if container in _NO_AUDIO:
        raise UnsupportedFormat(_NO_AUDIO[container], container=container or None)
    refusal: UnsupportedFormat | None = None
    for backend in BACKENDS:
        if (container or hint) in backend.containers:
            try:
                return backend.open(source, container or hint or "", options)
            except UnsupportedFormat as exc:
                refusal = exc if refusal is None or exc.extra else refusal
    if refusal is not None:
        raise refusal
    raise UnsupportedFormat(
        "the input is no audio format that kithara-decode knows "
        f"(it begins with {source.head(8).hex(' ')})",
        container=container,
    )
