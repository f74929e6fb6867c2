import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_net import NetOptions, RangeSpec, ResponseHead
from kithara_net._headers import HeaderMap
from kithara_net.testing._request import parse_range


@given(st.integers(0, 2**62), st.none() | st.integers(1, 2**40))
def test_a_range_is_read_back_from_its_header(start: int, size: int | None) -> None:
    spec = RangeSpec(start, None if size is None else start + size)
    assert parse_range(spec.header()) == spec


def test_range_header() -> None:
    assert RangeSpec(0, 100).header() == "bytes=0-99"
    assert RangeSpec(5).header() == "bytes=5-"
    assert str(RangeSpec(5)) == "[5, end)"


@pytest.mark.parametrize(("start", "stop"), [(-1, None), (0, 0), (5, 5), (5, 4)])
def test_ranges_that_http_cannot_ask_for(start: int, stop: int | None) -> None:
    with pytest.raises(ValueError, match="range"):
        RangeSpec(start, stop)


def test_a_head_shows_neither_query_nor_header_values() -> None:
    head = ResponseHead(
        status=200,
        final_url="https://host/a.mp3?token=secret",
        headers=HeaderMap([("Set-Cookie", "secret")]),
        start=0,
        stop=1,
        total=1,
        validator=None,
        accepts_ranges=True,
        media_type="audio/mpeg",
    )
    assert "secret" not in repr(head)
    assert "secret" not in repr(head.headers)
    assert "https://host/a.mp3" in repr(head)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="connect_timeout"):
        NetOptions(connect_timeout=0)
    with pytest.raises(ValueError, match="first_byte_timeout"):
        NetOptions(first_byte_timeout=-1)
    with pytest.raises(ValueError, match="stall_timeout"):
        NetOptions(stall_timeout=0)
    with pytest.raises(ValueError, match="max_redirects"):
        NetOptions(max_redirects=-1)
    with pytest.raises(ValueError, match="connections_per_host"):
        NetOptions(connections_per_host=0)
    assert "secret" not in repr(NetOptions(headers={"Authorization": "secret"}))
