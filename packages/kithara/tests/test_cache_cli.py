import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import kithara
from _kithara._cache_cli import age, parse_size
from _kithara._cli import app
from kithara_net.testing import ThreadedServer

SIZE = 96_044


def cache_does(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["cache", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def urls(server: ThreadedServer, wav: bytes, cache: Path) -> tuple[str, str]:
    """Two URLs, both in the cache, the first one used first."""
    server.add("/other.wav", wav)
    both = server.url("/tone.wav"), server.url("/other.wav")
    for url in both:
        kithara.fetch(url, cache=cache)
    return both


def listed(cache: Path) -> dict[str, dict[str, object]]:
    lines = cache_does("ls", "--cache", cache, "--json").stdout.splitlines()
    assets = [json.loads(line) for line in lines]
    return {asset["asset"]: asset for asset in assets}


def test_ls_for_people_and_for_scripts(urls: tuple[str, str], cache: Path) -> None:
    text = cache_does("ls", "--cache", cache).stdout
    assert re.search(r"2 assets, 0\.2 MB; .* free on the disk", text)
    assets = listed(cache)
    assert set(assets) == {kithara.asset_name(url) for url in urls}
    for asset in assets.values():
        assert asset["complete"] is True
        assert asset["pinned"] is False
        assert asset["in_use"] is False
        assert isinstance(asset["bytes"], int)
        assert asset["bytes"] >= SIZE


def test_a_pinned_asset_outlives_evict_and_clear(urls: tuple[str, str], cache: Path) -> None:
    kept, gone = map(kithara.asset_name, urls)
    assert cache_does("pin", urls[0] + "?token=1", "--cache", cache).stdout == f"{kept}: pinned\n"
    assert "1 pinned" in cache_does("ls", "--cache", cache).stdout
    done = cache_does("evict", "--max-bytes", "1k", "--cache", cache, "--json")
    facts = json.loads(done.stdout)
    assert facts["removed"] == 1
    assert facts["bytes"] >= SIZE
    assert set(listed(cache)) == {kept}
    assert "removed 0 assets" in cache_does("clear", "--cache", cache).stdout
    assert cache_does("unpin", kept, "--cache", cache).stdout == f"{kept}: unpinned\n"
    assert "was not pinned" in cache_does("unpin", kept, "--cache", cache).stdout
    assert "removed 1 assets" in cache_does("clear", "--cache", cache).stdout
    assert listed(cache) == {}
    assert gone != kept


def test_clear_takes_only_what_is_named(urls: tuple[str, str], cache: Path) -> None:
    cache_does("pin", urls[0], "--cache", cache)
    assert "removed 1 assets" in cache_does("clear", urls[0], "--cache", cache).stdout
    assert set(listed(cache)) == {kithara.asset_name(urls[1])}
    assert "removed 1 assets" in cache_does("clear", "--pinned", "--cache", cache).stdout


def test_verify_drops_what_is_damaged(urls: tuple[str, str], cache: Path) -> None:
    assert " 0 damaged" in cache_does("verify", "--cache", cache).stdout
    (file,) = (cache / kithara.asset_name(urls[0])).glob("*.wav")
    data = bytearray(file.read_bytes())
    data[50_000] ^= 1
    file.chmod(0o600)
    file.write_bytes(data)
    done = cache_does("verify", "--cache", cache)
    assert done.exit_code == 1
    assert "1 damaged and dropped" in done.stdout
    assert done.stderr.count("\n") == 1
    assert not file.exists()


def test_looking_takes_nothing_away(urls: tuple[str, str], cache: Path, tmp_path: Path) -> None:
    before = listed(cache)
    for _ in range(3):
        cache_does("ls", "--cache", cache)
    assert set(listed(cache)) == set(before)
    assert cache_does("path", "--cache", cache).stdout == f"{cache}\n"
    path = cache_does("path", urls[0], "--cache", cache).stdout.strip()
    assert Path(path).is_dir()
    cache_does("path", urls[0], "--cache", tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_what_is_no_asset_and_what_is_no_cache(cache: Path, tmp_path: Path) -> None:
    for name in ("../x", "a/b", "", "UPPER"):
        assert cache_does("pin", name, "--cache", cache).exit_code == 2
    (tmp_path / "mine.txt").write_text("not yours")
    done = cache_does("clear", "--cache", tmp_path)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("12", 12), ("5k", 5000), ("500MB", 5 * 10**8), ("2G", 2 * 10**9)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert cache_does("evict", "--max-bytes", text + "x").exit_code == 2


def test_ages() -> None:
    assert [age(s) for s in (1, 60, 7300, 200_000)] == ["now", "1 min", "2 h", "2 d"]
