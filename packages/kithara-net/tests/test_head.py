from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kithara_net import (
    BadResponse,
    BodyEncoded,
    NetError,
    RangeMismatch,
    RangeNotSatisfiable,
    RangeSpec,
    ResponseHead,
    UnexpectedStatus,
)
from kithara_net._head import ends_with_connection, parse_head, retry_after
from kithara_net._headers import HeaderMap

URL = "http://host/a"


def parse(
    status: int,
    headers: Mapping[str, str] | list[tuple[str, str]],
    asked: RangeSpec | None = None,
    codings: tuple[str, ...] = (),
) -> ResponseHead:
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    return parse_head(
        status=status,
        final_url=URL,
        headers=HeaderMap(pairs),
        asked=asked,
        codings=codings,
    )


def test_a_whole_body() -> None:
    head = parse(200, {"content-length": "10", "Content-Type": "Audio/MPEG; x=y", "ETag": '"v"'})
    assert (head.start, head.stop, head.total) == (0, 10, 10)
    assert head.media_type == "audio/mpeg"
    assert not head.accepts_ranges
    assert head.validator is not None
    assert head.validator.if_range == '"v"'
    assert parse(200, {"Accept-Ranges": "bytes"}).accepts_ranges
    assert parse(200, {}).validator is None


def test_the_length_is_unknown() -> None:
    for headers in ({}, {"Transfer-Encoding": "chunked"}):
        head = parse(200, headers)
        assert (head.start, head.stop, head.total) == (0, None, None)


def test_a_range_ignored_is_reported_as_the_whole() -> None:
    head = parse(200, {"Content-Length": "10"}, RangeSpec(3, 5))
    assert (head.status, head.start, head.stop, head.total) == (200, 0, 10, 10)


@pytest.mark.parametrize(
    ("asked", "content_range", "expected"),
    [
        (RangeSpec(2, 5), "bytes 2-4/10", (2, 5, 10)),
        (RangeSpec(2), "bytes 2-9/10", (2, 10, 10)),
        (RangeSpec(2, 50), "bytes 2-9/10", (2, 10, 10)),
        (RangeSpec(2, 5), "bytes 2-4/*", (2, 5, None)),
        (RangeSpec(2, 50), "bytes 2-9/*", (2, 10, None)),
        (RangeSpec(2), "Bytes  2-9/*", (2, 10, None)),
    ],
)
def test_a_part_that_fits(
    asked: RangeSpec, content_range: str, expected: tuple[int, int, int | None]
) -> None:
    head = parse(206, {"Content-Range": content_range}, asked)
    assert (head.start, head.stop, head.total) == expected
    assert head.accepts_ranges


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Range", "bytes 2-4/10"), ("Content-Range", "bytes 3-5/10")],
        [("Content-Range", "bytes 2-4/10, bytes 2-4/10")],
        [("Content-Range", "bytes */10")],
        [("Content-Range", "2-4/10")],
        [("Content-Range", "bytes 2-4")],
        [("Content-Range", "bytes 2-4/ten")],
        [("Content-Range", "bytes -2-4/10")],
        [("Content-Range", "bytes ２-４/10")],
        [("Content-Range", "bytes 2-99999999999999999999/*")],
        [("Content-Range", "bytes 4-2/10")],
        [("Content-Range", "bytes 2-4/4")],
        [("Content-Range", "bytes 0-4/10")],
        [("Content-Range", "bytes 3-4/10")],
        [("Content-Range", "bytes 2-3/10")],
        [("Content-Range", "bytes 2-5/10")],
        [("Content-Range", "bytes 2-9/10")],
        [("Content-Range", "bytes 2-5/*")],
        [("Content-Range", "bytes 2-4/10"), ("Content-Length", "10")],
        [("Content-Type", "multipart/byteranges; boundary=x")],
    ],
)
def test_a_part_that_does_not_fit(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(RangeMismatch) as caught:
        parse(206, headers, RangeSpec(2, 5))
    assert caught.value.byte_range == RangeSpec(2, 5)
    assert caught.value.recoverable


def test_the_same_content_range_twice_is_one() -> None:
    twice = [("Content-Range", "bytes 2-4/10")] * 2
    assert parse(206, twice, RangeSpec(2, 5)).start == 2


def test_a_part_that_nobody_asked_for() -> None:
    with pytest.raises(RangeMismatch, match="asked for no range"):
        parse(206, {"Content-Range": "bytes 0-9/10"})


@given(
    asked=st.tuples(st.integers(0, 30), st.none() | st.integers(1, 30)),
    told=st.tuples(st.integers(0, 40), st.integers(0, 40), st.none() | st.integers(0, 40)),
)
def test_only_the_honest_part_passes(
    asked: tuple[int, int | None], told: tuple[int, int, int | None]
) -> None:
    spec = RangeSpec(asked[0], None if asked[1] is None else asked[0] + asked[1])
    first, last, total = told
    wanted = set(range(spec.start, 1000 if spec.stop is None else spec.stop))
    existing = wanted if total is None else wanted & set(range(total))
    body = set(range(first, last + 1))
    honest = bool(body) and min(body) == spec.start
    honest = honest and (body <= existing if total is None else body == existing)
    text = f"bytes {first}-{last}/{'*' if total is None else total}"
    try:
        head = parse(206, {"Content-Range": text}, spec)
    except RangeMismatch:
        assert not honest
    else:
        assert honest
        assert (head.start, head.stop, head.total) == (first, last + 1, total)


@given(
    st.sampled_from([200, 206, 416]),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "Content-Range",
                    "Content-Length",
                    "Content-Encoding",
                    "Transfer-Encoding",
                    "ETag",
                    "Last-Modified",
                    "Date",
                    "Content-Type",
                    "Accept-Ranges",
                ]
            ),
            st.text(max_size=30),
        )
    ),
)
def test_any_header_is_understood_or_a_typed_error(
    status: int, headers: list[tuple[str, str]]
) -> None:
    caught: NetError | None = None
    try:
        parse(status, headers, RangeSpec(0, 5))
    except NetError as exc:
        caught = exc
    assert caught is None or len(str(caught).splitlines()) == 1


@pytest.mark.parametrize("value", ["-1", "1.5", "+5", "0x10", "5 5", "99999999999999999999", "５"])
def test_absurd_content_length(value: str) -> None:
    with pytest.raises(BadResponse):
        parse(200, {"Content-Length": value})


def test_several_content_lengths() -> None:
    with pytest.raises(BadResponse, match="several"):
        parse(200, [("Content-Length", "5"), ("Content-Length", "6")])
    assert parse(200, [("Content-Length", "5"), ("Content-Length", "5")]).total == 5


def test_out_of_range() -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse(416, {"Content-Range": "bytes */10"}, RangeSpec(20))
    assert caught.value.total == 10
    assert "[20, end)" in str(caught.value)
    with pytest.raises(RangeNotSatisfiable) as caught:
        parse(416, {"Content-Range": "bytes 0-1/10"}, RangeSpec(20))
    assert caught.value.total is None


@pytest.mark.parametrize("status", [204, 300, 304, 400, 401, 404, 410, 418, 599])
def test_statuses_that_will_stay(status: int) -> None:
    with pytest.raises(UnexpectedStatus) as caught:
        parse(status, {})
    assert caught.value.status == status
    assert not caught.value.recoverable
    assert str(status) in str(caught.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_statuses_that_may_pass(status: int) -> None:
    with pytest.raises(UnexpectedStatus) as caught:
        parse(status, {"Retry-After": "7"})
    assert caught.value.recoverable
    assert caught.value.retry_after == 7


def test_retry_after() -> None:
    date = "Sun, 22 Nov 2026 12:00:00 GMT"
    later = "Sun, 22 Nov 2026 12:00:30 GMT"
    assert retry_after(HeaderMap([("Retry-After", later), ("Date", date)])) == 30
    assert retry_after(HeaderMap([("Retry-After", date), ("Date", later)])) == 0
    for text in ("", "soon", "-5", "1e9", "22 Nov 2026 12:00:00 -0000"):
        assert retry_after(HeaderMap([("Retry-After", text)])) is None
    past = "Sun, 22 Nov 2015 12:00:00 GMT"
    assert retry_after(HeaderMap([("Retry-After", past)])) == 0


@pytest.mark.parametrize("coding", ["gzip", "br", "x-gzip", "gzip, br", "identity, gzip"])
def test_a_coded_body_that_nobody_asked_for(coding: str) -> None:
    for status in (200, 206):
        with pytest.raises(BodyEncoded):
            parse(
                status,
                {"Content-Encoding": coding, "Content-Range": "bytes 0-4/9"},
                RangeSpec(0, 5),
            )


def test_a_coded_body_that_was_asked_for_has_no_known_total() -> None:
    head = parse(200, {"Content-Encoding": "x-gzip", "Content-Length": "9"}, None, ("gzip",))
    assert head.total is None
    assert parse(200, {"Content-Encoding": "identity", "Content-Length": "9"}).total == 9
    with pytest.raises(BodyEncoded):
        parse(200, {"Transfer-Encoding": "gzip, chunked"}, None, ("gzip",))


@pytest.mark.parametrize(
    ("headers", "if_range"),
    [
        ({"ETag": '"a"', "Last-Modified": "x"}, '"a"'),
        ({"ETag": 'W/"a"'}, None),
        ({"ETag": "a"}, None),
        (
            {
                "ETag": 'W/"a"',
                "Last-Modified": "Sun, 22 Nov 2026 12:00:00 GMT",
                "Date": "Sun, 22 Nov 2026 13:00:00 GMT",
            },
            None,
        ),
        (
            {
                "Last-Modified": "Sun, 22 Nov 2026 12:00:00 GMT",
                "Date": "Sun, 22 Nov 2026 12:00:01 GMT",
            },
            "Sun, 22 Nov 2026 12:00:00 GMT",
        ),
        (
            {
                "Last-Modified": "Sun, 22 Nov 2026 12:00:00 GMT",
                "Date": "Sun, 22 Nov 2026 12:00:00 GMT",
            },
            None,
        ),
        ({"Last-Modified": "Sun, 22 Nov 2026 12:00:00 GMT"}, None),
        ({"Last-Modified": "yesterday", "Date": "today"}, None),
    ],
)
def test_validators(headers: dict[str, str], if_range: str | None) -> None:
    validator = parse(200, headers).validator
    assert validator is not None
    assert validator.if_range == if_range


def test_what_ends_a_body() -> None:
    assert ends_with_connection(HeaderMap())
    assert not ends_with_connection(HeaderMap([("content-length", "0")]))
    assert not ends_with_connection(HeaderMap([("Transfer-Encoding", "chunked")]))
