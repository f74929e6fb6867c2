"""A new generation in place of one whose bytes are given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._body import Body
from ._errors import from_os_error
from ._filler import Filler
from ._models import Identity
from ._part import Role, open_private

if TYPE_CHECKING:
    from ._writer import DiskWriter


def begun_anew(old: Body, writer: DiskWriter, identity: Identity | None) -> tuple[Body, Filler]:
    """Give up the bytes of `old`, and open an empty part for those of `identity`."""
    part = old.part
    try:
        if part.role is Role.LEAD:
            fresh = part.replaced()
        else:
            fresh = open_private(part.fs, part.final, part.durability)
    except OSError as error:
        raise from_os_error(error, path=old.path, operation="restart") from error
    fresh.identity = None if identity is None else dict(identity)
    body = Body(fresh)
    body.confirmed = True
    body.on_full = old.on_full
    old.replaced()
    old.close()
    return body, Filler(body, writer)
