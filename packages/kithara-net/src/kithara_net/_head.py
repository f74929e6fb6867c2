"""From status and header fields to a `ResponseHead`, checked against what was asked for."""

from __future__ import annotations

import re
import time
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

from aiohttp import hdrs

from kithara_net._errors import (
    BadResponse,
    BodyEncoded,
    RangeMismatch,
    RangeNotSatisfiable,
    UnexpectedStatus,
)
from kithara_net._headers import Fields, HeaderMap
from kithara_net._models import RangeSpec, ResponseHead, Validator
from kithara_net._urls import shown

# 18 digits: an exabyte, and still a signed 64-bit number everywhere below us.
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_CONTENT_RANGE = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)\Z", re.I)
_UNSATISFIED = re.compile(r"bytes +\*/([0-9]{1,18})\Z", re.I)
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+\Z")
_WHOLE = frozenset({200, 203})


def parse_head(
    status: int,
    final_url: str,
    headers: Fields,
    asked: RangeSpec | None,
    codings: tuple[str, ...] = (),
    *,
    redirected: bool = False,
) -> ResponseHead:
    """The head of a usable response; `codings` are the content codings that were asked for.

    Raises `UnexpectedStatus`, `RangeNotSatisfiable`, `RangeMismatch`,
    `BodyEncoded`, `BadResponse`.
    """
    if status == 416:
        total = _unsatisfied_total(headers)
        raise RangeNotSatisfiable(url=shown(final_url), byte_range=asked, total=total)
    if status not in _WHOLE and status != 206:
        raise UnexpectedStatus(
            url=shown(final_url),
            status=status,
            retry_after=retry_after(headers),
            redirected=redirected,
        )
    coding = content_coding(headers)
    if coding != "identity" and coding not in codings:
        raise BodyEncoded(url=shown(final_url), encoding=coding)
    chunked = hdrs.TRANSFER_ENCODING in headers and _is_chunked(headers, final_url)
    length = None if chunked else _content_length(headers, final_url)
    start, stop, total = 0, length, length
    if coding != "identity":
        stop = total = None
    if status == 206:
        start, stop, total = _partial(headers, asked, length, final_url)
    return ResponseHead(
        status=status,
        final_url=final_url,
        headers=HeaderMap(headers.items()),
        start=start,
        stop=stop,
        total=total,
        validator=_validator(headers),
        accepts_ranges=status == 206 or "bytes" in _tokens(_value(headers, hdrs.ACCEPT_RANGES)),
        media_type=_media_type(headers),
    )


def content_coding(headers: Fields) -> str:
    """The coding of the body in lower case, `identity` for none, joined when there are several."""
    if hdrs.CONTENT_ENCODING not in headers:
        return "identity"
    return ", ".join(_codings(_value(headers, hdrs.CONTENT_ENCODING))) or "identity"


def _is_chunked(headers: Fields, url: str) -> bool:
    """Whether the body comes in chunks, and not in any other coding."""
    transfer = _codings(_value(headers, hdrs.TRANSFER_ENCODING))
    if transfer not in ((), ("chunked",)):
        raise BodyEncoded(url=shown(url), encoding=", ".join(transfer))
    return bool(transfer)


def ends_with_connection(headers: Fields) -> bool:
    """True if nothing but the closing of the connection ends the body."""
    return hdrs.CONTENT_LENGTH not in headers and hdrs.TRANSFER_ENCODING not in headers


def retry_after(headers: Fields) -> float | None:
    """Seconds to wait by `Retry-After`, not negative; None if absent or not understood."""
    text = (_value(headers, hdrs.RETRY_AFTER) or "").strip()
    if _NUMBER.match(text):
        return float(text)
    then, now = _date(text), _date(_value(headers, hdrs.DATE) or "")
    if then is None:
        return None
    return max(0.0, then.timestamp() - (time.time() if now is None else now.timestamp()))


def _partial(
    headers: Fields, asked: RangeSpec | None, length: int | None, url: str
) -> tuple[int, int, int | None]:
    """Start, stop and total of a 206 that fits `asked`."""
    told = headers.getall(hdrs.CONTENT_RANGE, ())
    one = len(told) == 1 or len(set(told)) == 1
    match = _CONTENT_RANGE.match(told[0].strip()) if one else None
    if asked is None or match is None:
        if asked is None:
            reason = "the server sent a part (206)"
        elif one:
            reason = "the 206 has an unreadable Content-Range"
        else:
            reason = "the 206 says several ranges" if told else "the 206 says no range"
        raise RangeMismatch(url=shown(url), byte_range=asked, reason=reason)
    first, last, whole = match.groups()
    start, stop, total = int(first), int(last) + 1, None if whole == "*" else int(whole)
    if stop <= start or (total is not None and stop > total):
        wrong = ", which is absurd"
    elif length is not None and length != stop - start:
        wrong = f" and a body of {length} bytes"
    elif start != asked.start or not _ends_as_asked(stop, total, asked.stop):
        wrong = ""
    else:
        return start, stop, total
    reason = f"the 206 says [{start}, {stop}) of {whole}{wrong}"
    raise RangeMismatch(url=shown(url), byte_range=asked, reason=reason)


def _ends_as_asked(stop: int, total: int | None, asked: int | None) -> bool:
    if total is None:
        return asked is None or stop <= asked
    return stop == (total if asked is None else min(asked, total))


def _unsatisfied_total(headers: Fields) -> int | None:
    match = _UNSATISFIED.match((_value(headers, hdrs.CONTENT_RANGE) or "").strip())
    return None if match is None else int(match[1])


def _content_length(headers: Fields, url: str) -> int | None:
    value = _value(headers, hdrs.CONTENT_LENGTH)
    if value is None:
        return None
    if value.isascii() and value.isdecimal() and len(value) <= 18:
        return int(value)
    fields = set(_tokens(value))
    if len(fields) > 1:
        raise BadResponse(url=shown(url), reason="it has several Content-Length")
    text = fields.pop()
    if not _NUMBER.match(text):
        raise BadResponse(url=shown(url), reason="it has an unreadable Content-Length")
    return int(text)


def _validator(headers: Fields) -> Validator | None:
    return _validated(
        tuple(headers.getall(hdrs.ETAG, ())),
        _value(headers, hdrs.LAST_MODIFIED),
        _value(headers, hdrs.DATE),
    )


@lru_cache(maxsize=64)  # part after part of one resource says the same
def _validated(
    etags: tuple[str, ...], last_modified: str | None, date: str | None
) -> Validator | None:
    tags = set(etags)
    etag = tags.pop().strip() if len(tags) == 1 else None
    last_modified = (last_modified or "").strip() or None
    if not etag and last_modified is None:
        return None
    if_range = None
    if etag and etag.startswith('"') and etag.endswith('"') and len(etag) > 1:
        if_range = etag
    elif not etag and last_modified is not None:
        changed, answered = _date(last_modified), _date(date or "")
        if changed is not None and answered is not None:
            if_range = last_modified if (answered - changed).total_seconds() >= 1 else None
    return Validator(etag=etag or None, last_modified=last_modified, if_range=if_range)


def _media_type(headers: Fields) -> str | None:
    values = headers.getall(hdrs.CONTENT_TYPE, ())
    return _bare_type(values[-1]) if values else None


@lru_cache(maxsize=64)
def _bare_type(value: str) -> str | None:
    text = value.partition(";")[0].strip().lower()
    return text if _MEDIA_TYPE.match(text) else None


def _value(headers: Fields, name: str) -> str | None:
    """The value of `name`, joined if it was sent more than once; None without one."""
    values = headers.getall(name, ())
    if not values:
        return None
    return values[0] if len(values) == 1 else ", ".join(values)


def _codings(value: str | None) -> tuple[str, ...]:
    """The codings that `value` names, in lower case, without those that change nothing."""
    known = (token for token in _tokens(value) if token != "identity")
    return tuple("gzip" if token == "x-gzip" else token for token in known)


def _tokens(value: str | None) -> list[str]:
    if value is None:
        return []
    return [token for part in value.split(",") if (token := part.strip().lower())]


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    # Both sides of every subtraction must know their zone; "-0000" parses without one.
    return date if date.tzinfo is not None else None
