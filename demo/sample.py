"""Makes sample media on the spot: a melody, as MP3 and as an HLS ladder of AAC."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

RATE = 44_100
LADDER = (48_000, 96_000, 192_000)
_NOTES = (57, 64, 69, 72, 76, 72, 69, 64, 53, 60, 65, 69, 72, 69, 65, 60)  # MIDI: A minor, F major
_NOTE_SECONDS = 0.25


def melody(seconds: float) -> npt.NDArray[np.float32]:
    """A plucked arpeggio wandering between the ears: float32 (frames, 2), within [-0.5, 0.5]."""
    frames = int(seconds * RATE)
    pcm = np.zeros((frames, 2), np.float32)
    time = np.arange(int(1.5 * RATE)) / RATE
    for index in range(int(seconds / _NOTE_SECONDS)):
        pitch = 440 * 2 ** ((_NOTES[index % len(_NOTES)] - 69) / 12)
        partials = sum(np.sin(2 * np.pi * pitch * k * time) / k**2 for k in (1, 2, 3, 4))
        note = (partials * np.exp(-4 * time)).astype(np.float32)
        start = int(index * _NOTE_SECONDS * RATE)
        stop = min(frames, start + len(note))
        right = 0.5 + 0.35 * np.sin(index / 5)
        pcm[start:stop, 0] += note[: stop - start] * (1 - right)
        pcm[start:stop, 1] += note[: stop - start] * right
    return pcm * np.float32(0.5 / np.abs(pcm).max())


def encode(
    path: Path,
    pcm: npt.NDArray[np.float32],
    *,
    codec: str,
    bit_rate: int,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Encode PCM into a file through PyAV; `options` go to the muxer."""
    with av.open(str(path), "w", format=container, options=options or {}) as out:
        stream = out.add_stream(codec, rate=RATE, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = bit_rate
        step = stream.codec_context.frame_size or 1024
        for start in range(0, len(pcm), step):
            planar = np.ascontiguousarray(pcm[start : start + step].T)
            frame = av.AudioFrame.from_ndarray(planar, format="fltp", layout="stereo")
            frame.sample_rate = RATE
            frame.pts = start
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def make_mp3(path: Path, pcm: npt.NDArray[np.float32], bit_rate: int = 128_000) -> None:
    """An MP3 with a LAME header, so that it decodes to exactly the frames that went in."""
    encode(path, pcm, codec="libmp3lame", bit_rate=bit_rate)


def make_ladder(
    folder: Path, pcm: npt.NDArray[np.float32], *, segment_seconds: int = 4, kind: str = "fmp4"
) -> Path:
    """An HLS ladder of three AAC variants (`kind`: fmp4 or mpegts); answers its master playlist."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "m4s" if kind == "fmp4" else "ts"
    master = ["#EXTM3U", "#EXT-X-VERSION:7"]
    for number, bit_rate in enumerate(LADDER):
        encode(
            folder / f"aac-{number}.m3u8",
            pcm,
            codec="aac",
            bit_rate=bit_rate,
            container="hls",
            options={
                "hls_time": str(segment_seconds),
                "hls_playlist_type": "vod",
                "hls_segment_type": kind,
                "hls_fmp4_init_filename": f"init-{number}.mp4",
                "hls_segment_filename": str(folder / f"aac-{number}-%03d.{suffix}"),
            },
        )
        master += [
            f'#EXT-X-STREAM-INF:BANDWIDTH={bit_rate * 11 // 10},CODECS="mp4a.40.2"',
            f"aac-{number}.m3u8",
        ]
    path = folder / "master.m3u8"
    path.write_text("\n".join(master) + "\n", encoding="utf-8")
    return path
