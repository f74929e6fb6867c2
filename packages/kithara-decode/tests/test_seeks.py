"""Two hundred random seeks in every format: the frame asked for, and what a linear read gave."""

from __future__ import annotations

import random

import numpy as np
import pytest
from decode_files import Media, Seekable

from kithara_decode import open_decoder

SEEKS = 200
OPUS = ("-c:a", "libopus", "-ar", "48000")
FRAGMENTS = ("-c:a", "aac", "-movflags", "+empty_moov", "-frag_duration", "500000")
# Bit for bit, but where decoding depends on all that went before. PNS, which AAC replaces noise by,
# is drawn at random by the decoder: it is off.
EXACT: dict[str, tuple[str, ...]] = {
    "cbr.mp3": ("-b:a", "128k"), "vbr.mp3": ("-q:a", "4"), "low.mp3": ("-ar", "22050"),
    "bare.mp3": ("-q:a", "4", "-write_xing", "0"), "layer.mp2": ("-b:a", "192k"),
    "seek.wav": (), "seek.aiff": (), "seek.caf": (), "seek.w64": (), "seek.au": (),
    "adpcm.wav": ("-c:a", "adpcm_ima_wav"), "law.wav": ("-c:a", "pcm_mulaw"),
    "seek.flac": (), "deep.flac": ("-sample_fmt", "s32"), "seek-flac.ogg": ("-c:a", "flac"),
    "vorbis.ogg": ("-c:a", "libvorbis"),
    "seek.aac": ("-c:a", "aac"), "seek.ts": ("-c:a", "aac"), "seek.mka": ("-c:a", "aac"),
    "alac.m4a": ("-c:a", "alac"), "frag.mp4": FRAGMENTS, "flac.mka": ("-c:a", "flac"),
}  # fmt: skip
BY_SNR: dict[str, tuple[str, ...]] = {
    "tones.opus": OPUS,
    "tones.m4a": ("-c:a", "aac", "-aac_pns", "0"),
    "speech.opus": (*OPUS, "-ac", "1", "-b:a", "16k"),
}


@pytest.mark.parametrize("name", [*EXACT, *BY_SNR])
def test_seeks(media: Media, name: str) -> None:
    options = EXACT.get(name) or BY_SNR.get(name, ())
    frames = 400_000 if name == "speech.opus" else 150_000 if name in BY_SNR else 60_000
    kind = "noisy" if name == "speech.opus" else "tones"
    path = media.coded(f"{kind}-{name}", *options, frames=frames)
    rng = random.Random(name)
    with open_decoder(Seekable(path.read_bytes(), step=5000)) as decoder:
        whole = np.concatenate(list(decoder.blocks(4096)))
        for _ in range(SEEKS if name != "speech.opus" else 50):
            frame = rng.randrange(len(whole))
            decoder.seek(frame)
            assert decoder.position == frame
            block = decoder.read(rng.randrange(1, 3000))
            there = whole[frame : frame + len(block)]
            assert decoder.position == frame + len(block)
            if name == "low.mp3":  # MPEG-2: libmpg123's sums round by what went before
                assert np.abs(block - there).max() <= 2**-23
            elif name in EXACT:
                assert np.array_equal(block, there), frame
            else:
                noise = float(np.mean((block - there) ** 2, dtype=np.float64))
                assert noise <= 1e-6 * float(np.mean(whole**2, dtype=np.float64)), frame  # 60 dB
