"""What is here of a file already, and whether the server still has that file."""

from kithara_assets import ResourceStatus, StreamingResource

from ._version import Version

PROBE_SIZE = 64 * 1024
_HOLES_NAMED = 3


class Resumption:
    """The bytes that a resource holds before its first answer, until the server proves them.

    `kept` counts them; 0 once it turned out that they are of another version. With `pinned`
    readers have seen some of them: then another version must not take their place.
    """

    def __init__(
        self,
        resource: StreamingResource,
        *,
        version: Version | None = None,
        pinned: bool = False,
    ) -> None:
        self.resource = resource
        self.pinned = pinned
        self.kept = sum(stop - start for start, stop in self.held())
        identity = resource.identity
        if version is None and self.kept and identity is not None:
            version = Version.from_identity(identity)
        self.version = version

    async def finish(self) -> None:
        """Commit what an earlier run fetched to the last byte and did not come to commit."""
        resource, length = self.resource, self.resource.length
        if resource.following:
            return
        if length is None and self.version is not None:
            length = self.version.total  # whoever fetched it was gone before it wrote this down
        if resource.status is ResourceStatus.PARTIAL and length and self.kept == length:
            resource.confirm()
            await resource.commit(length)

    def accept(self, version: Version, *, same: bool) -> None:
        """The first answer is about `version`: go on with what is here, or begin anew."""
        resource = self.resource
        if same and not resource.confirmed:
            resource.confirm(version.identity())
        elif not same:
            self.kept = 0
            if not resource.confirmed:
                resource.restart(version.identity())
        self.version = version

    def before(self, stop: int) -> bytes:
        """The bytes right before `stop`, as many as are here, at most `PROBE_SIZE`."""
        start = max(0, stop - PROBE_SIZE)
        while (hole := self.resource.next_hole(start, stop)) is not None:
            start = hole[1]
        return self.resource.read_at(start, stop - start)

    def beginning(self) -> bytes:
        """The first bytes of the file, as many as are here, at most `PROBE_SIZE`."""
        return self.resource.read_at(0, PROBE_SIZE)

    def sample(self) -> tuple[int, bytes]:
        """Some bytes that are here, and where they lie; none if there are none."""
        stop = self.resource.available(0)
        if not stop:
            stop = next((stop for _, stop in self.held()), 0)
        piece = self.before(stop)
        return stop - len(piece), piece

    def missing(self) -> str:
        """Name what is not here, for people."""
        length = self.resource.length
        if length is None:
            return f"what follows byte {self.resource.available(0)}"
        holes = list(self._holes(length))
        named = [f"{start}-{stop - 1}" for start, stop in holes[:_HOLES_NAMED]]
        more = f" and {len(holes) - _HOLES_NAMED} more ranges" if len(holes) > _HOLES_NAMED else ""
        return f"bytes {', '.join(named)}{more} of {length}"

    def held(self) -> list[tuple[int, int]]:
        """The ranges that are here; with no length known, only the first one."""
        length = self.resource.length
        if length is None:
            ranges = [(0, self.resource.available(0))]
        else:
            edges = [0, *(edge for hole in self._holes(length) for edge in hole), length]
            ranges = list(zip(edges[::2], edges[1::2], strict=True))
        return [(start, stop) for start, stop in ranges if start < stop]

    def _holes(self, length: int) -> list[tuple[int, int]]:
        holes: list[tuple[int, int]] = []
        while (hole := self.resource.next_hole(holes[-1][1] if holes else 0, length)) is not None:
            holes.append(hole)
        return holes
