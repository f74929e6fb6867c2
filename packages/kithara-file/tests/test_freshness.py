import pytest

from kithara_file._freshness import fresh_until

NOON = "Tue, 07 Jan 2025 12:00:00 GMT"
DAY = 86_400.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, DAY),
        ({"Cache-Control": "max-age=100"}, 100),
        ({"Cache-Control": 'public, MAX-AGE="100"', "Age": "40"}, 60),
        ({"Cache-Control": "max-age=100", "Expires": NOON, "Date": NOON}, 100),
        ({"Cache-Control": "no-cache"}, 0),
        ({"Cache-Control": "max-age=100, no-store"}, 0),
        ({"Cache-Control": "max-age=-3"}, DAY),
        ({"Cache-Control": "max-age=99999999999999"}, 2**31),
        ({"Expires": "Tue, 07 Jan 2025 13:00:00 GMT", "Date": NOON}, 3600),
        ({"Expires": "Tue, 07 Jan 2025 13:00:00 GMT", "Date": NOON, "Age": "600"}, 3000),
        ({"Expires": "0", "Date": NOON}, 0),
        ({"Last-Modified": "Mon, 06 Jan 2025 12:00:00 GMT", "Date": NOON}, DAY),
        ({"Last-Modified": "Sun, 07 Jan 2024 12:00:00 GMT", "Date": NOON}, 36.6 * DAY),
        ({"Last-Modified": "yesterday", "Date": NOON}, DAY),
        ({"Age": "x"}, DAY),
    ],
)
def test_how_long_an_answer_may_be_used(headers: dict[str, str], seconds: float) -> None:
    assert fresh_until(headers, now=1000.0) == pytest.approx(1000.0 + seconds)
