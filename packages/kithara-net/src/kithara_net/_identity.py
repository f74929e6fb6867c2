"""Whether two answers are about the same version of a resource."""

from __future__ import annotations

from enum import Enum

from kithara_net._models import ResponseHead, Validator


class Identity(Enum):
    """What validators say about two answers; `UNKNOWN` leaves it to the bytes."""

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"


def compare(first: ResponseHead, later: ResponseHead) -> Identity:
    """Compare two heads by their validators; sizes are not looked at.

    Validators of different addresses say nothing about each other, whatever they look like; the
    query does not count, since it is where tokens rotate.
    """
    if address(first) != address(later) or first.validator is None or later.validator is None:
        return Identity.UNKNOWN
    one, two = first.validator, later.validator
    if one.etag is not None and two.etag is not None:
        if one.etag != two.etag:
            return Identity.CHANGED
        if one.if_range == one.etag:
            return Identity.SAME
    if one.last_modified is not None and two.last_modified is not None:
        if one.last_modified != two.last_modified:
            return Identity.CHANGED
        if one.if_range == one.last_modified:
            return Identity.SAME
    return Identity.UNKNOWN


def may_rotate(first: Validator | None, second: Validator | None, third: Validator | None) -> bool:
    """True if three answers carry three entity tags: the tags name answers, not versions.

    A date of change that moves too speaks for new versions.
    """
    told = [validator for validator in (first, second, third) if validator is not None]
    tags = {validator.etag for validator in told if validator.etag is not None}
    dates = {validator.last_modified for validator in told}
    return len(tags) == 3 and len(dates) == 1


def address(head: ResponseHead) -> str:
    """The final address without its query."""
    return head.final_url.partition("?")[0]
