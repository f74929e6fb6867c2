import io
import os
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from _kithara._output import open_output
from _kithara._wav import WavWriter
from kithara import PcmChunk, PcmSpec


def chunk(frames: int, channels: int) -> PcmChunk:
    data = np.random.default_rng(frames).uniform(-2, 2, (frames, channels)).astype(np.float32)
    return PcmChunk(data=data, start=0, spec=PcmSpec(sample_rate=8000, channels=channels))


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_another_library_reads_what_was_written(channels: int, tmp_path: Path) -> None:
    chunks = [chunk(frames, channels) for frames in (1, 100, 4096)]
    with WavWriter(tmp_path / "a.wav", chunks[0].spec) as wav:
        for piece in chunks:
            wav.write(piece)
    with soundfile.SoundFile(tmp_path / "a.wav") as file:
        assert (file.samplerate, file.channels, file.subtype) == (8000, channels, "FLOAT")
        read = file.read(dtype="float32", always_2d=True)
    assert np.array_equal(read, np.concatenate([piece.data for piece in chunks]))
    assert wav.frames == len(read)


def test_no_frames_is_a_valid_file(tmp_path: Path) -> None:
    with WavWriter(tmp_path / "a.wav", chunk(1, 2).spec):
        pass
    assert soundfile.info(tmp_path / "a.wav").frames == 0


def interrupted(path: Path) -> None:
    with open_output(path, chunk(1, 2).spec, "wav") as wav:
        wav.write(chunk(10, 2))
        raise KeyboardInterrupt


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    with open_output(tmp_path / "link.wav", chunk(1, 2).spec, "wav") as wav:
        wav.write(chunk(10, 2))
    assert (tmp_path / "link.wav").is_symlink()
    assert soundfile.info(tmp_path / "a.wav").frames == 10
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    """What is no file, such as /dev/null, must not be replaced by one."""
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        with open_output(tmp_path / "pipe", chunk(1, 2).spec, "wav") as wav:
            wav.write(chunk(1000, 2))
        read = reader.communicate()[0]
    data = soundfile.read(io.BytesIO(read), dtype="float32")[0]
    assert np.array_equal(data, chunk(1000, 2).data)
    assert [p.is_fifo() for p in tmp_path.iterdir()] == [True]


def test_an_error_leaves_neither_the_file_nor_a_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"what was there before")
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "a.wav")
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]
    assert (tmp_path / "a.wav").read_bytes() == b"what was there before"


def test_more_than_four_gibibytes_become_rf64(tmp_path: Path) -> None:
    """The sizes are written when the file is closed; the samples need not be there for that."""
    frames = 2**30
    with WavWriter(tmp_path / "a.wav", PcmSpec(sample_rate=8000, channels=2)) as wav:
        wav.write(chunk(100, 2))
        wav.frames = frames
    head = (tmp_path / "a.wav").read_bytes()[:128]
    assert head[:4] == b"RF64"
    assert head[12:16] == b"ds64"
    riff, data, samples = struct.unpack_from("<QQQ", head, 20)
    assert (data, samples) == (frames * 8, frames)
    with (tmp_path / "a.wav").open("r+b") as file:
        file.truncate(riff + 8)
    assert soundfile.info(tmp_path / "a.wav").frames == frames
