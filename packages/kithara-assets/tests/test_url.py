from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_assets._url import canonical_path, canonical_url, redact


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://EXAMPLE.org:443/A?x=1#y", "https://example.org/A"),
        ("http://example.org:80/", "http://example.org/"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("http://user:password@example.org/a", "http://example.org/a"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        ("http://example.org/../../a", "http://example.org/a"),
        ("http://example.org/a/..", "http://example.org/"),
        ("http://example.org/a//b/", "http://example.org/a//b/"),
        ("http://example.org/%7euser/%41%2f", "http://example.org/~user/A%2F"),
        ("http://example.org/a b/ü", "http://example.org/a%20b/%C3%BC"),
        ("http://example.org/100%", "http://example.org/100%"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BÜCHER。example/", "http://xn--bcher-kva.example/"),
        ("http://straße.example/", "http://xn--strae-oqa.example/"),
        ("http://[2001:DB8:0::1]:80/", "http://[2001:db8::1]/"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/a"),
    ],
)
def test_one_spelling(url: str, canonical: str) -> None:
    assert canonical_url(url) == canonical
    assert canonical_url(canonical) == canonical


@pytest.mark.parametrize("url", ["", "a", "/a", "//example.org/a", "http:///a", "http://[::1/a"])
def test_what_names_no_asset(url: str) -> None:
    with pytest.raises(ValueError, match=r"it has no|malformed"):
        canonical_url(url)


@pytest.mark.parametrize("url", ["http://example.org:port/", "http://example.org:99999/"])
def test_a_port_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="port is malformed"):
        canonical_url(url)


@given(st.text(max_size=30))
def test_a_canonical_path_is_a_fixed_point(path: str) -> None:
    once = canonical_path(path)
    assert canonical_path(once) == once
    assert once.isascii()
    assert not {".", ".."} & set(once.split("/"))


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        (
            "https://user:secret@example.org:80/a@b?token=secret#secret",
            "https://example.org:80/a@b",
        ),
        ("https://example.org/a", "https://example.org/a"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("/a?secret", "/a"),
        ("http://user:sec/ret@example.org/", "(a malformed URL)"),
        ("http:user:secret@example.org/", "(a malformed URL)"),
    ],
)
def test_nothing_secret_is_left(url: str, bare: str) -> None:
    assert redact(url) == bare
