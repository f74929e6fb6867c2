"""PCM to the sound card, through the extra `kithara[play]`."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from kithara import KitharaError, PcmChunk, PcmSpec


class NoAudioOutput(KitharaError):
    """Raised when there is nothing to play on; the message says what is missing."""


def play(chunks: Iterable[PcmChunk], spec: PcmSpec) -> Iterator[PcmChunk]:
    """Play chunks on the default device; yield each once the device has taken it.

    Raises `NoAudioOutput` without sounddevice, PortAudio or a device, or if that is gone.
    """
    with _device(spec) as write:
        for chunk in chunks:
            write(chunk.data)
            yield chunk


@contextmanager
def _device(spec: PcmSpec) -> Iterator[Callable[[object], None]]:
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

    def write(data: object) -> None:
        try:
            stream.write(data)
        except sounddevice.PortAudioError as error:
            raise NoAudioOutput("the audio device is gone, or refuses to play on") from error

    with stream:
        yield write
