"""URLs as they may be shown."""

import re

_AUTHORITY = re.compile(r"(?<=://)[^/?#]*@")


def shown(url: str) -> str:
    """A URL without user-info, query and fragment, malformed ones too; a path as it is."""
    if "://" not in url:
        return url
    return re.split(r"[?#]", _AUTHORITY.sub("", url), maxsplit=1)[0]
