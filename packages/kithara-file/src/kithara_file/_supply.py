"""What a session needs of whatever brings its bytes."""

from typing import Protocol

from kithara_assets import CancelToken
from kithara_stream import TransferStats, WaitOutcome

from ._place import Place


class Bytes(Protocol):
    """Bytes that may be arriving. Any thread may call."""

    @property
    def length(self) -> int | None:
        """How many there will be; None while unknown."""

    def wait_range(
        self,
        start: int,
        stop: int,
        timeout: float | None = None,
        token: CancelToken | None = None,
    ) -> WaitOutcome:
        """Block until they are there, or proven not to come."""

    def read_into(self, offset: int, buffer: memoryview, /) -> int:
        """Copy what is there; never waits."""

    def available(self, start: int, /) -> int:
        """Count those that are there from `start` on."""


class Supply(Protocol):
    """The bytes of one session and who brings them. On the loop, but for `resource`, `place`."""

    @property
    def resource(self) -> Bytes:
        """The bytes; may be others later, when these are closed."""

    @property
    def stats(self) -> TransferStats:
        """What it took so far."""

    @property
    def media_type(self) -> str | None:
        """What the server declared; None where none was asked."""

    @property
    def busy(self) -> bool:
        """Whether bytes may still be brought."""

    @property
    def outcome(self) -> Exception | None:
        """Why nothing is brought, where nothing is; None if all of it is here."""

    def place(self) -> Place:
        """A place for one more reader, at the start."""

    def pause(self) -> None:
        """Read ahead no more."""

    def resume(self) -> None:
        """Read ahead again."""

    async def beginning(self, size: int) -> bytes:
        """The first bytes: so many, or all of a shorter file."""

    async def ended(self) -> Exception | None:
        """Wait until nothing more is brought; answer why: None when complete."""

    async def wait_complete(self) -> None:
        """Bring all that is missing; raises what stood in the way."""

    async def aclose(self) -> None:
        """Let everything go. Idempotent."""
