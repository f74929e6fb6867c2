"""Opens an input with the first backend that takes it. The table of backends stands here."""

from . import _av, _mpg123, _ogg, _sndfile
from ._errors import UnsupportedFormat
from ._input import Input
from ._protocols import BinaryFile, Decoder
from ._sniff import sniff

# In the order of preference. A new backend is one file with a BACKEND, and its line here.
BACKENDS = (
    _mpg123.BACKEND,
    _sndfile.BACKEND,
    _ogg.BACKEND,
    _av.BACKEND,
)

_NO_AUDIO = {
    "": "the input is empty",
    "html": "the input is an HTML page, not audio; look at the URL or the login that led to it",
    "hls": "the input is an HLS playlist, not audio; open its URL with kithara-hls",
}


def open_decoder(file: BinaryFile, *, hint: str | None = None) -> Decoder:
    """Open a decoder for the bytes of a file, from its first byte (its present one if unseekable).

    The bytes decide; `hint`, a container's name such as "mp3", counts only where they say nothing.
    The file stays the caller's: closing the decoder does not close it.

    Raises UnsupportedFormat, CorruptAudio when the headers are damaged, and whatever the file
    raises while it is read, as the same object.
    """
    source = Input(file)
    container = sniff(source)
    if container in _NO_AUDIO:
        raise UnsupportedFormat(_NO_AUDIO[container], container=container or None)
    refusal: UnsupportedFormat | None = None
    for backend in BACKENDS:
        if (container or hint) in backend.containers:
            try:
                return backend.open(source, container or hint or "")
            except UnsupportedFormat as exc:
                refusal = exc if refusal is None or exc.extra else refusal
    if refusal is not None:
        raise refusal
    raise UnsupportedFormat(
        "the input is no audio format that kithara-decode knows "
        f"(it begins with {source.head(8).hex(' ')})",
        container=container,
    )
