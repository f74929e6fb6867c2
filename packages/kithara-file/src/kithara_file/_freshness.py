"""How long an answer may be used without asking again (RFC 9111, 4.2)."""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

HEURISTIC_SHARE = 0.1  # of the age of the file, RFC 9111, 4.2.2
HEURISTIC_LEAST = 86_400.0  # seconds; audio is rarely replaced, and never needs to be of today


def fresh_until(headers: Mapping[str, str], now: float | None = None) -> float:
    """Until when (seconds of the epoch) an answer that came `now` may be used.

    By `max-age`, else by `Expires`, less the `Age` that it had; where the server says nothing, a
    tenth of the time that the file has been unchanged, at least a day.
    """
    now = time.time() if now is None else now
    directives = _directives(headers.get("Cache-Control", ""))
    if "no-store" in directives or "no-cache" in directives:
        return now
    age = _seconds(headers.get("Age", "")) or 0.0
    max_age = _seconds(directives.get("max-age", ""))
    if max_age is not None:
        return now + max_age - age
    date = _date(headers.get("Date", ""), now)
    if "Expires" in headers:
        # An unreadable date is one in the past.
        return now + _date(headers["Expires"], date) - date - age
    unchanged = date - _date(headers.get("Last-Modified", ""), date)
    return now + max(HEURISTIC_LEAST, unchanged * HEURISTIC_SHARE) - age


def _directives(text: str) -> dict[str, str]:
    pairs = (part.strip().lower().partition("=") for part in text.split(","))
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _seconds(text: str) -> float | None:
    text = text.strip()
    return float(min(int(text), 2**31)) if text.isascii() and text.isdecimal() else None


def _date(text: str, default: float) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return default
