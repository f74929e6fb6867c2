"""PCM to the sound card, through the extra `kithara[play]`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from kithara_decode import PcmChunk, PcmSpec

from ._errors import FormatChanged, KitharaError


class NoAudioOutput(KitharaError):
    """Raised when there is nothing to play on; the message says what is missing."""


class _Output(Protocol):
    def write(self, data: object) -> object: ...


def play(chunks: Iterable[PcmChunk], spec: PcmSpec) -> Iterator[PcmChunk]:
    """Play chunks on the default device; yield each once the device has taken it.

    Raises `NoAudioOutput` without sounddevice, PortAudio or a device, `FormatChanged` if the sound
    changes its format.
    """
    with _device(spec) as output:
        for chunk in chunks:
            if chunk.spec != spec:
                raise FormatChanged(spec, chunk.spec, where="the audio device")
            output.write(chunk.data)
            yield chunk


@contextmanager
def _device(spec: PcmSpec) -> Iterator[_Output]:
    try:
        import sounddevice
    except ImportError as error:
        raise NoAudioOutput(
            "playing needs the extra kithara[play]: pip install 'kithara[play]'"
        ) from error
    except OSError as error:
        raise NoAudioOutput(
            "PortAudio is not installed: apt install libportaudio2 (or brew install portaudio)"
        ) from error
    try:
        stream = sounddevice.OutputStream(
            samplerate=spec.sample_rate, channels=spec.channels, dtype="float32"
        )
    except sounddevice.PortAudioError as error:
        raise NoAudioOutput(
            "there is no audio device for "
            f"{spec.sample_rate} Hz and {spec.channels} channels; try `kithara decode` instead"
        ) from error
    with stream:
        yield stream
