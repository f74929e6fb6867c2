"""The command in a process of its own: pipes, signals, full disks."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO

import pytest
import soundfile
from typer.testing import CliRunner

from _kithara._cli import app, main
from kithara_net.testing import ThreadedServer

COMMAND = [sys.executable, "-W", "error", "-c", "from _kithara import main; main()"]

posix = pytest.mark.skipif(os.name != "posix", reason="signals and /dev/full are of POSIX")


def run(*words: str | Path, stdout: int | IO[bytes] = subprocess.PIPE) -> tuple[int, bytes, str]:
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=50,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
    )
    return done.returncode, done.stdout, done.stderr.decode()


@contextmanager
def started(words: Sequence[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def test_a_pipe_takes_a_wav(server: ThreadedServer, cache: Path, tmp_path: Path) -> None:
    code, out, err = run("decode", server.url("/tone.wav"), "-o", "-", "--cache", cache)
    assert (code, err) == (0, "")
    (tmp_path / "o.wav").write_bytes(out)
    assert out[:4] == b"RIFF"
    assert len(out) - out.index(b"data") - 8 == 16_000 * 8
    told = run("decode", server.url("/tone.wav"), "-o", "-", "--format", "raw", "--json",
               "--cache", cache)  # fmt: skip
    assert told[1] == out[out.index(b"data") + 8 :]
    assert json.loads(told[2].splitlines()[-1])["frames"] == 16_000


@posix
def test_nobody_reads_any_more(server: ThreadedServer, wav: bytes, cache: Path) -> None:
    """As `| head -c 1000` does: what was read is right, and nobody is told a traceback."""
    long = Path(cache.parent / "long.wav")
    soundfile.write(long, [[0.5, -0.5]] * 2_000_000, 8000, subtype="PCM_16")
    ways: tuple[list[str | Path], ...] = (
        ["decode", long, "-o", "-"], ["info", server.url("/tone.wav")], ["--help"], [],
    )  # fmt: skip
    for words in ways:
        with started([*words, "--cache", cache] if len(words) > 1 else words) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            if "decode" in words:
                assert process.stdout.read(1000)[:4] == b"RIFF"
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(30) == 141


@posix
@pytest.mark.parametrize("command", ["fetch", "info"])
def test_ctrl_c_is_one_line_and_130(
    command: str, server: ThreadedServer, wav: bytes, cache: Path
) -> None:
    server.add("/stalled.wav", wav, stall_after=20)
    words: list[str | Path] = [command, server.url("/stalled.wav"), "--cache", cache]
    with started(words) as process:
        server.wait(lambda: any(request.sent >= 20 for request in server.requests))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"kithara: interrupted\n")


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_who_is_told_to_end_tidies_up_and_ends(
    name: str, server: ThreadedServer, wav: bytes, cache: Path, tmp_path: Path
) -> None:
    server.add("/stalled.wav", wav, stall_after=50_000)
    url, out = server.url("/stalled.wav"), tmp_path / "o.wav"
    with started(["decode", url, "-o", out, "--cache", cache, "--json"]) as process:
        assert process.stdout is not None
        assert b"opened" in process.stdout.readline()
        assert len(list(tmp_path.glob("o.wav*"))) == 1
        process.send_signal(signal.Signals[name])
        assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == -signal.Signals[name]
    assert list(tmp_path.glob("o.wav*")) == []


@posix
@pytest.mark.parametrize("module", ["typer", "sitecustomize"], ids=["loading", "leaving"])
def test_ctrl_c_before_and_after_the_work_ends_it_without_a_word(
    module: str, tmp_path: Path
) -> None:
    """A module stands in the way: one that is imported, or one that waits when Python exits."""
    block = "print('here', file=sys.stderr, flush=True), sys.stdin.read()"
    at_exit = f"import atexit, sys; atexit.register(lambda: ({block}))"
    (tmp_path / f"{module}.py").write_text(
        at_exit if module == "sitecustomize" else f"import sys; {block}"
    )
    command = [*COMMAND, "cache", "path"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == b"here\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == b""
    assert process.returncode == -signal.SIGINT


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device to write to")
def test_no_room_for_the_output(server: ThreadedServer, cache: Path) -> None:
    url = server.url("/tone.wav")
    with open("/dev/full", "wb") as full:
        code, _, err = run("decode", url, "-o", "-", "--cache", cache, stdout=full)
    assert code == 1
    assert err.count("\n") == 1
    assert "No space left" in err
    for words in (["--help"], ["--version"], ["info", url, "--cache", cache]):
        with open("/dev/full", "wb") as full:
            code, _, err = run(*words, stdout=full)
        assert (code, err.count("\n")) == (1, 1)


def test_stdout_may_lack_letters(wav: bytes, tmp_path: Path) -> None:
    (tmp_path / "ü.wav").write_bytes(wav)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONIOENCODING", "ascii")
        code, out, err = run("info", tmp_path / "ü.wav")
    assert (code, err) == (0, "")
    assert rb"\xfc.wav" in out


@posix
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_what_is_said_needs_nobody_to_hear_it(
    closed: str, server: ThreadedServer, cache: Path
) -> None:
    command = shlex.join([*COMMAND, "fetch", server.url("/tone.wav"), "--cache", str(cache)])
    done = subprocess.run(["sh", "-c", f"{command} {closed}"], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["decoed"], "Did you mean 'decode'?"),
        (["info", "--frob"], "kithara info: No such option"),
        (["cache", "evict", "--max-bytes", "ten"], "kithara cache evict: "),
    ],
)
def test_wrong_usage_is_one_line(
    words: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["kithara", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert told in said.err


def test_no_command_shows_the_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["kithara"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "decode" in said.out
    assert said.err == ""


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"kithara {version('kithara')}\n")


def test_what_opens_no_url_waits_for_none_of_the_heavy_modules(cache: Path) -> None:
    heavy = {"numpy", "aiohttp", "av", "rich", "cryptography", "kithara"}
    for words in (["--help"], ["--version"], ["cache", "ls", "--cache", str(cache)]):
        command = [sys.executable, "-X", "importtime", *COMMAND[1:], *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "_kithara._cli" in loaded
        assert heavy & loaded == set(), words


def help_of(words: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "argv", ["kithara", *words.split(), "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


COMMANDS = (
    "", "decode", "play", "fetch", "info", "cache", "cache ls", "cache pin", "cache unpin",
    "cache verify", "cache evict", "cache clear", "cache path",
)  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS)
def test_help_fits_the_terminal(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    help_of(words, 80, monkeypatch)
    wide = capsys.readouterr().out
    assert wide.startswith(f"Usage: kithara {words}".rstrip())
    assert "..." not in wide.partition("Commands:")[2]  # each is told whole
    options = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", wide, re.MULTILINE))
    help_of(words, 40, monkeypatch)
    narrow = capsys.readouterr().out
    assert max(map(len, narrow.splitlines())) <= 40
    assert all(option in narrow for option in options)
    assert "--help" in options


def test_help_has_examples_and_shells_are_taught() -> None:
    shown = CliRunner().invoke(app, ["decode", "--help"])
    assert shown.exit_code == 0
    assert "kithara decode https://example.org/a.m3u8 -o a.wav" in shown.stdout
    assert "[h:]mm:ss" in shown.stdout
    told = CliRunner().invoke(
        app,
        prog_name="kithara",
        env={"_KITHARA_COMPLETE": "complete_bash", "COMP_WORDS": "kithara de", "COMP_CWORD": "1"},
    )
    assert told.stdout.split() == ["decode"]
