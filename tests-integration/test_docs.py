"""Every block of code in docs/ runs as printed, with example.org on loopback."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from typer.testing import CliRunner

from _kithara._cli import app
from kithara_net.testing import ThreadedServer
from workspace import ROOT, python_blocks

GUIDES = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *GUIDES]
KEY = bytes(range(16))


def commands(guide: Path) -> list[str]:
    """The lines of the blocks that show a terminal, but for those that install."""
    text = guide.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [line for line in lines if not line.startswith("pip install ")]


def name_of(page: Path) -> str:
    return "root" if page.parent == ROOT else page.stem


@pytest.fixture
def server(media: Path) -> Iterator[ThreadedServer]:
    with ThreadedServer() as server:
        server.serve_directory(media)
        for file in (media / "fmp4").iterdir():
            server.add(f"/music/{file.name}", file)
        plain = (media / "melody.wav").read_bytes()
        padding = 16 - len(plain) % 16
        cipher = Cipher(AES(KEY), CBC(bytes(16))).encryptor()
        body = cipher.update(plain + bytes([padding]) * padding) + cipher.finalize()
        server.add("/encrypted/1.wav", body)
        server.add("/encrypted/key", KEY)
        server.add(
            "/encrypted/list.m3u8",
            f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x{0:032x}\n'
            "#EXTINF:12,\n1.wav\n#EXT-X-ENDLIST\n".encode(),
        )
        yield server


@pytest.mark.parametrize("guide", PAGES, ids=name_of)
def test_the_blocks_of_a_guide_run_one_after_the_other(
    guide: Path, server: ThreadedServer, tmp_path: Path
) -> None:
    program = "\n".join(python_blocks(guide)).replace("https://example.org/", server.url("/"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "caches")},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("guide", [page for page in PAGES if commands(page)], ids=name_of)
def test_the_commands_of_a_guide_run_one_after_the_other(
    guide: Path, server: ThreadedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    for line in commands(guide):
        program, *words = shlex.split(line.replace("https://example.org/", server.url("/")))
        assert program == "kithara"
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        assert done.exit_code == 0, f"{line}: {done.stderr}"


def test_every_link_leads_somewhere() -> None:
    for guide in [*PAGES, ROOT / "examples/README.md"]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", guide.read_text(encoding="utf-8")):
            assert (guide.parent / target).exists(), f"{guide.name}: {target}"
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for guide in GUIDES:
        assert guide.name == "README.md" or f"({guide.name})" in index
