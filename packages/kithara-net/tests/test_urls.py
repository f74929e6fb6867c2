import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from kithara_net import InvalidUrl
from kithara_net._urls import basic_credentials, joined, origin, parsed, shown


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://user:pw@Host:8443/a/b.mp3?sig=1#x", "https://host:8443/a/b.mp3?…"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://h/" + "a" * 300, "http://h/" + "a" * 199 + "…"),
        ("http://h:99999/?t=secret", "(an unreadable address)"),
        ("http://[bad/?t=secret", "(an unreadable address)"),
        ("song.mp3", "song.mp3"),
        ("", "(empty)"),
    ],
)
def test_shown(url: str, text: str) -> None:
    assert shown(url) == text


@given(st.text())
def test_what_is_shown_is_one_printable_line(url: str) -> None:
    text = shown(url)
    assert text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://h/x?sig=abc%3D%2C%2Bz+%7e&q=%41",
        "https://h:444/a//b/%2F;v=1/(c)!*'?a=b?c&d",
        "http://127.0.0.1:8000/%E4",
    ],
)
def test_a_legal_url_is_sent_byte_for_byte(url: str) -> None:
    assert str(parsed(url)) == url


def test_what_is_not_legal_is_quoted_and_a_fragment_is_dropped() -> None:
    assert str(parsed("http://h/a b/ü?x=ü#top")) == "http://h/a%20b/%C3%BC?x=%C3%BC"
    assert str(parsed("http://h/a#top")) == "http://h/a"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "song.mp3",
        "/a",
        "//h/a",
        "file:///etc/passwd",
        "ftp://h/a",
        "http:///a",
        "http://h:99999/",
        "http://h/a\r\nX: y",
        "http://h/\x00",
        "data:audio/mp3;base64,AA",
        "http://[::1/a",
        "http://h/\ud800",
    ],
)
def test_what_cannot_be_fetched(url: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        parsed(url)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.__cause__ is None


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_any_text_is_an_address_or_a_typed_error(text: str) -> None:
    for url in (text, f"http://{text}", f"http://h/{text}"):
        try:
            result = parsed(url)
        except InvalidUrl:
            continue
        assert result.scheme in {"http", "https"}
        assert result.raw_host


def test_redirect_targets() -> None:
    base = URL("https://h/a/b.mp3?t=1", encoded=True)
    assert str(joined(base, "c.mp3?s=%2C")) == "https://h/a/c.mp3?s=%2C"
    assert str(joined(base, "/c")) == "https://h/c"
    assert str(joined(base, "//g/c")) == "https://g/c"
    assert str(joined(base, "http://g:81/c?s=%3D%2C")) == "http://g:81/c?s=%3D%2C"
    for location in ("file:///etc/passwd", "javascript:alert(1)", "http://h:x/", "http://"):
        with pytest.raises(InvalidUrl):
            joined(base, location)


def test_origin_and_credentials() -> None:
    assert origin(URL("http://H/a")) == origin(URL("http://h:80/b"))
    assert origin(URL("http://h/a")) != origin(URL("https://h/a"))
    assert origin(URL("http://h/a")) != origin(URL("http://h:81/a"))
    assert basic_credentials(URL("http://h/")) is None
    assert basic_credentials(URL("http://user:p%40ss@h/")) == "Basic dXNlcjpwQHNz"
