"""What proves that two answers are about the same bytes."""

from collections.abc import Mapping
from typing import TypeAlias

from kithara_net import ByteStream

__all__ = ("Version", "are_same", "version_of")

Version: TypeAlias = Mapping[str, str]


def version_of(body: ByteStream) -> Version | None:
    """A strong validator, and the size where it is told; None without a validator."""
    head = body.head
    if head.validator is None or head.validator.if_range is None:
        return None
    version = {"validator": head.validator.if_range}
    return version if head.total is None else {**version, "total": str(head.total)}


def are_same(one: Version | None, other: Version | None) -> bool:
    """Whether two versions are one; a size that one of them does not tell is no difference."""
    if one is None or other is None or one["validator"] != other["validator"]:
        return False
    return one.get("total", other.get("total")) == other.get("total", one.get("total"))
