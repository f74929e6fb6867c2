"""URLs: taken as they stand, compared by origin, and shown without secrets."""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from urllib.parse import urlsplit

from yarl import URL

from kithara_net._errors import InvalidUrl

_LEGAL = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHOWN_PATH = 200


def shown(url: str) -> str:
    """`url` for messages and logs: scheme, host and path; a query as `?…`; no user-info."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "(an unreadable address)"
    if host is not None and ":" in host:
        host = f"[{host}]"
    place = host or ""
    if port is not None:
        place = f"{place}:{port}"
    path = parts.path if len(parts.path) <= _SHOWN_PATH else parts.path[:_SHOWN_PATH] + "…"
    prefix = f"{parts.scheme}://" if parts.scheme else ""
    return _CONTROL.sub("�", f"{prefix}{place}{path}{'?…' if parts.query else ''}") or "(empty)"


class Target:
    """Where a request goes, also as `text`; `credentials` are what its user-info stood for."""

    __slots__ = ("credentials", "text", "url")

    def __init__(self, url: URL, credentials: str | None = None) -> None:
        self.url = url
        self.text = str(url)
        self.credentials = credentials


@lru_cache(maxsize=32)  # part after part has the same address
def target_of(url: str) -> Target:
    """Where a request for `url` goes; raises `InvalidUrl` as `parsed`."""
    address = parsed(url)
    credentials = basic_credentials(address)
    return Target(address if credentials is None else address.with_user(None), credentials)


def parsed(url: str) -> URL:
    """`url` as yarl's, byte for byte if it is a legal URI, quoted otherwise, without a fragment.

    Signed addresses break when percent-encoding is normalised, hence no quoting of legal ones.
    Raises `InvalidUrl` unless it is an absolute http(s) address.
    """
    if not _LEGAL.match(url) and _CONTROL.search(url):
        raise InvalidUrl(url=shown(url), reason="it holds a control character")
    try:
        result = _built(url)
    except ValueError:
        # The cause would repeat the whole address, query and all.
        raise InvalidUrl(url=shown(url), reason="it is not a valid address") from None
    if result.scheme not in {"http", "https"}:
        reason = "only absolute http and https addresses can be fetched"
        raise InvalidUrl(url=shown(url), reason=reason)
    if not result.raw_host:
        raise InvalidUrl(url=shown(url), reason="it names no host")
    return result.with_fragment(None)


def joined(base: URL, location: str) -> URL:
    """The target of a redirect from `base` to `location`; raises `InvalidUrl` as `parsed`."""
    try:
        target = base.join(_built(location))
    except ValueError:
        raise InvalidUrl(url=shown(location), reason="it is not a valid address") from None
    return parsed(str(target))


def origin(url: URL) -> tuple[str, str, int | None]:
    """Scheme, host and port: the reach of a credential."""
    return url.scheme, (url.raw_host or "").lower(), url.port


def basic_credentials(url: URL) -> str | None:
    """The `Authorization` value that the user-info of `url` stands for; None without one."""
    if url.user is None and url.password is None:
        return None
    pair = f"{url.user or ''}:{url.password or ''}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _built(url: str) -> URL:
    result = URL(url, encoded=_LEGAL.match(url) is not None)
    # yarl looks at these only when they are asked for, and complains only then.
    _ = (result.raw_host, result.host, result.port, result.user, result.password)
    return result
