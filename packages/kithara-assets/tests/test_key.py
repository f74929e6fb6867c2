from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_assets import AssetId, InvalidKey, InvalidUrl, ResourceKey

ROOT = "example.org-song~aaaaaaaaaaaaaaaaaaaa"


def test_an_asset_has_a_readable_name_of_its_own() -> None:
    asset = AssetId.from_url("https://Example.org/music/My%20Song.mp3?token=1")
    assert asset.url == "https://example.org/music/My%20Song.mp3"
    assert re.fullmatch(r"example\.org-my-song~\w{20}", asset.asset_root)
    assert "token" not in repr(asset)


def test_names_of_assets_do_not_change_between_versions() -> None:
    """A change here orphans what users have on disk."""
    asset = AssetId.from_url("https://example.org/podcast/ep 1.mp3")
    assert asset.asset_root == "example.org-ep-1~uvam4uspvih2yzr5bxr2"


def test_tokens_do_not_count_and_paths_do() -> None:
    def root(url: str, discriminator: str | None = None) -> str:
        return AssetId.from_url(url, discriminator).asset_root

    base = root("https://example.org/a.mp3")
    for same in ("https://u:p@EXAMPLE.org:443/a.mp3?sig=1", "https://example.org/x/../%61.mp3#t"):
        assert root(same) == base
    others = [
        root("https://example.org/A.mp3"),
        root("http://example.org/a.mp3"),
        root("https://example.org:8443/a.mp3"),
        root("https://example.com/a.mp3"),
        root("https://example.org/a.mp3/"),
        root("https://example.org/a.mp3", "id=1"),
        root("https://example.org/a.mp3", "id=2"),
        root("https://example.org/a.mp3", ""),
    ]
    assert len({base, *others}) == 9


@given(
    st.from_regex(
        r"https?://[a-zA-Z0-9ü.-]{1,30}(:[0-9]{1,4})?(/[^/?#]{0,90}){0,4}", fullmatch=True
    )
)
def test_every_asset_makes_a_valid_key(url: str) -> None:
    try:
        asset = AssetId.from_url(url)
    except InvalidUrl:
        return
    ResourceKey(asset.asset_root, "a")
    assert AssetId.from_url(asset.url) == asset


@pytest.mark.parametrize("url", ["", "song.mp3", "/a/b", "http://", "http://example.org:x/"])
def test_what_identifies_no_asset(url: str) -> None:
    with pytest.raises(InvalidUrl):
        AssetId.from_url(url)


def test_an_invalid_url_keeps_its_secrets() -> None:
    with pytest.raises(InvalidUrl) as caught:
        AssetId.from_url("http://user:secret@example.org:x/?token=secret")
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "/a",
        "a/",
        "a//b",
        "a/../b",
        "a\\b",
        "a\0",
        "A",
        "é",
        "a b",
        "a.",
        ".a",
        "-a",
        "con",
        "con.ts",
        "x/nul",
        "a.part",
        "a.map",
        "a.meta",
        "a.lease",
        "a.part/b",
        "x" * 121,
        "/".join(["x" * 60] * 5),
        "a\n",
        "c:",
        "~a",
        "ａ",
    ],
)
def test_unsafe_relative_paths(name: str) -> None:
    with pytest.raises(InvalidKey):
        ResourceKey(ROOT, name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "_index", "cachedir.tag", "CACHEDIR.TAG", ".a", "con", "a.part"]
)
def test_unsafe_roots(name: str) -> None:
    with pytest.raises(InvalidKey):
        ResourceKey(name, "a")


def test_a_key_is_a_fact() -> None:
    key = ResourceKey(ROOT, "segments/1.ts")
    assert key == ResourceKey(ROOT, "segments/1.ts")
    assert len({key, ResourceKey(ROOT, "segments/2.ts")}) == 2
    with pytest.raises(AttributeError):
        key.rel_path = "x"  # type: ignore[misc]  # that is the point
