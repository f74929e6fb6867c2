"""Where the sound lies in an MP4 or MP3 file, by iTunes' own tag."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ItunesSound:
    """Where the sound lies among the frames encoded, as iTunes tells."""

    start: int
    frames: int


def itunes_sound(text: str) -> ItunesSound | None:
    """Read an iTunSMPB tag: hexadecimal words, of which the second to fourth are of use.

    These are the priming, the padding at the end, and the frames between. None for nonsense.
    """
    words = text.split()[1:4]
    try:
        start, _, frames = (int(word, 16) for word in words)
    except ValueError:  # not three, or no numbers
        return None
    return ItunesSound(start=start, frames=frames) if frames > 0 <= start else None
