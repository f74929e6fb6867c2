"""What tells one version of a file from another, now and in a later run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Self

from kithara_net import ResponseHead, Validator

from ._freshness import fresh_until

_LONGEST = 500  # characters of a validator that are worth keeping


class Verdict(Enum):
    """What validators say about two versions; `UNKNOWN` leaves it to the bytes."""

    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version as an answer told it.

    `if_range` is what may be sent as `If-Range`: the tag if it is strong, else the date if it is
    old enough. `address` is a digest of the final address without its query: validators of
    different addresses say nothing about each other. `fresh_until` is when the server should be
    asked again, in seconds of the epoch.
    """

    etag: str | None
    last_modified: str | None
    if_range: str | None
    total: int | None
    address: str
    fresh_until: float | None = field(default=None, compare=False)

    @classmethod
    def of(cls, head: ResponseHead) -> Self:
        """The version that an answer is about."""
        told = head.validator or Validator(etag=None, last_modified=None, if_range=None)
        return cls(
            etag=_kept(told.etag),
            last_modified=_kept(told.last_modified),
            if_range=_kept(told.if_range),
            total=head.total,
            address=sha256(head.final_url.partition("?")[0].encode()).hexdigest()[:32],
            fresh_until=fresh_until(head.headers),
        )

    @classmethod
    def from_identity(cls, identity: Mapping[str, str]) -> Self:
        """The version that `identity()` described."""
        total = identity.get("total", "")
        until = identity.get("fresh_until", "")
        return cls(
            etag=identity.get("etag"),
            last_modified=identity.get("last_modified"),
            if_range=identity.get("if_range"),
            total=int(total) if total.isdecimal() else None,
            address=identity.get("address", ""),
            fresh_until=int(until) if until.isdecimal() else None,
        )

    def identity(self) -> dict[str, str]:
        """All of it as strings, for the cache to keep."""
        facts = {
            "etag": self.etag,
            "last_modified": self.last_modified,
            "if_range": self.if_range,
            "total": None if self.total is None else str(self.total),
            "address": self.address,
            "fresh_until": None if self.fresh_until is None else str(max(0, int(self.fresh_until))),
        }
        return {name: fact for name, fact in facts.items() if fact is not None}

    def compare(self, later: "Version") -> Verdict:
        """Compare by sizes, then by validators."""
        if None not in (self.total, later.total) and self.total != later.total:
            return Verdict.CHANGED
        if self.address != later.address:
            return Verdict.UNKNOWN
        if self.etag is not None and later.etag is not None:
            if self.etag != later.etag:
                return Verdict.CHANGED
            if self.if_range == self.etag:
                return Verdict.SAME
        if self.last_modified is not None and later.last_modified is not None:
            if self.last_modified != later.last_modified:
                return Verdict.CHANGED
            if self.if_range == self.last_modified:
                return Verdict.SAME
        return Verdict.UNKNOWN


def may_rotate(*versions: Version) -> bool:
    """Whether all these answers may be about one version although each has a tag of its own."""
    tags = [version.etag for version in versions if version.etag is not None]
    dates = {version.last_modified for version in versions}
    sizes = {version.total for version in versions if version.total is not None}
    return len(set(tags)) == len(versions) and len(dates) == 1 and len(sizes) <= 1


def _kept(validator: str | None) -> str | None:
    return validator if validator and len(validator) <= _LONGEST else None
