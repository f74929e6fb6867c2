"""What an earlier run left of a file, and whether the server still has that file."""

from kithara_assets import Assets, ResourceKey, ResourceStatus
from kithara_net import ResponseHead

_HOLES_NAMED = 3


class Resumption:
    """Opens the resource of a file with the bytes of earlier runs, until the server proves them.

    `kept` counts those bytes; 0 once it turned out that they are of another version.
    """

    def __init__(self, store: Assets, key: ResourceKey) -> None:
        resource = store.open_streaming_resource(key, resume=True)
        if resource.following:
            # Whoever writes it reads at a pace of its own and may stand still for ever: so this
            # one fetches for itself, and the first that is complete stays.
            resource.close()
            resource = store.open_streaming_resource(key)
        self.resource = resource
        self.kept = sum(stop - start for start, stop in self._held())

    async def finish(self) -> None:
        """Commit what an earlier run fetched to the last byte and did not come to commit."""
        resource, length = self.resource, self.resource.length
        if resource.status is ResourceStatus.PARTIAL and length and self.kept == length:
            resource.confirm()
            await resource.commit(length)

    def accept(self, head: ResponseHead) -> None:
        """Go on if the first answer is about the same version; begin anew if that is not proven.

        Only equal strong validators prove it, with equal sizes.
        """
        if self.resource.confirmed:
            return
        validator = head.validator and head.validator.if_range
        version = {"validator": validator, "total": str(head.total)} if validator else None
        if version is not None and version == self.resource.identity:
            self.resource.confirm()
        else:
            self.kept = 0
            self.resource.restart(version)

    def missing(self) -> str:
        """Name what is not here, for people."""
        length = self.resource.length
        if length is None:
            return f"what follows byte {self.resource.available(0)}"
        holes = list(self._holes(length))
        named = [f"{start}-{stop - 1}" for start, stop in holes[:_HOLES_NAMED]]
        more = f" and {len(holes) - _HOLES_NAMED} more ranges" if len(holes) > _HOLES_NAMED else ""
        return f"bytes {', '.join(named)}{more} of {length}"

    def _held(self) -> list[tuple[int, int]]:
        length = self.resource.length
        if length is None:
            return [(0, self.resource.available(0))]
        edges = [0, *(edge for hole in self._holes(length) for edge in hole), length]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def _holes(self, length: int) -> list[tuple[int, int]]:
        holes: list[tuple[int, int]] = []
        while (hole := self.resource.next_hole(holes[-1][1] if holes else 0, length)) is not None:
            holes.append(hole)
        return holes
