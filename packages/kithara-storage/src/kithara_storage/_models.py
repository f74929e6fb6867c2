"""The small facts that cross the edge of this package."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal, TypeAlias

WaitOutcome: TypeAlias = Literal["ready", "eof"]
"""`"ready"`: the bytes are there. `"eof"`: the resource provably ends before them."""

Identity: TypeAlias = Mapping[str, str]
"""What tells one version of a resource from another, in the caller's words (validators, length,
final URL). It is stored as given, so nothing secret belongs into it."""


class ResourceStatus(enum.Enum):
    """Where a streaming resource stands."""

    PARTIAL = "partial"
    """Bytes may still arrive."""
    COMPLETE = "complete"
    """Every byte is there, under the final name; it never changes again."""
    FAILED = "failed"
    """No more bytes will arrive; those that are there stay readable."""
    CLOSED = "closed"
    """Nothing works any more."""


class Durability(enum.Enum):
    """What a commit waits for before the final name appears."""

    NONE = "none"
    """Nothing: safe when a process dies, not when the power does."""
    DATA = "data"
    """The bytes are on the disk before the name, the name before `commit` returns."""
    FULL = "full"
    """As DATA, with the device's own cache flushed where the system can tell it to."""
