"""A URL as the origin of one file's bytes: the same version in every answer, and media at that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from kithara_net import (
    ContentChanged,
    Net,
    RangeNotSatisfiable,
    RangeSpec,
    ResponseHead,
    Validator,
)
from kithara_stream import OriginBody

from ._body import Answer
from ._errors import NotMedia
from ._resumption import Resumption
from ._version import Verdict, Version, may_rotate

_TAGS_TO_ROTATE = 3


def shown(url: str) -> str:
    """The URL as it may stand in a message: no user-info, no query, no fragment."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


class HttpOrigin:
    """Asks `net` for ranges of one URL and refuses bytes that do not belong together.

    The first answer decides whether what `held` has can be gone on with. `If-Range` and equal
    validators prove it; where there is nothing of the kind, or every answer has a tag of its own,
    64 KiB that are here are fetched again and compared.
    """

    def __init__(self, net: Net, url: str, headers: Mapping[str, str], held: Resumption) -> None:
        self._net = net
        self._url = url
        self._headers = {name: v for name, v in headers.items() if name.lower() != "if-range"}
        self._held = held
        self._first: ResponseHead | None = None
        self._rotating = False

    @property
    def final_url(self) -> str:
        """Where the first answer came from."""
        return self._url if self._first is None else self._first.final_url

    @property
    def version(self) -> Version | None:
        """The version that the first answer is about."""
        return None if self._first is None else Version.of(self._first)

    @property
    def media_type(self) -> str | None:
        """What the first answer declared."""
        return None if self._first is None else self._first.media_type

    @asynccontextmanager
    async def open(self, start: int, stop: int | None) -> AsyncIterator[OriginBody]:
        """Ask for a range; a server that ignores ranges answers with all from byte 0.

        Raises the errors of net, `ContentChanged` and `NotMedia`.
        """
        async with AsyncExitStack() as stack:
            try:
                if self._first is None:
                    answer, same = await self._begin(stack, start, stop)
                else:
                    answer, same = await self._go_on(stack, self._first, start, stop), True
            except RangeNotSatisfiable as error:
                if start == 0 and error.total in (0, None):
                    raise NotMedia(url=shown(self._url), container=None) from error
                if self._first is not None and error.total not in (None, self._first.total):
                    raise self._changed(None, error.total) from error
                raise
            head = answer.head
            if head.total == 0:
                raise NotMedia(url=shown(self._url), container=None)
            if head.start == 0:
                await answer.check_media(shown(self._url))
            if self._first is None:
                if self._held.pinned and not same:
                    raise self._changed(head, head.total)
                self._held.accept(Version.of(head), same=same)
                self._first = head
            yield answer

    # The first answer, which is to prove what is here.

    async def _begin(
        self, stack: AsyncExitStack, start: int, stop: int | None
    ) -> tuple[Answer, bool]:
        """Answer a body, and whether it continues what is here."""
        known = self._held.version
        if known is None:
            return await self._ask(stack, start, stop), False
        if known.if_range is None or known.total is None:
            return await self._probe(stack, start, stop, [known])
        try:
            answer = await self._ask(stack, start, stop, known.if_range)
            verdict = known.compare(Version.of(answer.head))
            if answer.head.start != start and verdict is Verdict.SAME:
                # It ignores If-Range, or ranges altogether; without If-Range it says which.
                await answer.leave()
                answer = await self._ask(stack, start, stop)
        except RangeNotSatisfiable:
            return await self._ask(stack, 0, None), False
        now = Version.of(answer.head)
        verdict = known.compare(now)
        if verdict is Verdict.SAME:
            return answer, True
        changed = verdict is Verdict.CHANGED and not may_rotate(known, now)
        if changed and answer.head.start == 0 and answer.head.status != 206:
            return answer, False
        # Whoever waits for a connection must hold none: there may be no more of them.
        await answer.leave()
        if changed:
            return await self._ask(stack, 0, None), False
        return await self._probe(stack, start, stop, [known, now])

    async def _probe(
        self,
        stack: AsyncExitStack,
        start: int,
        stop: int | None,
        seen: list[Version],
    ) -> tuple[Answer, bool]:
        """Let the bytes decide."""
        overlap = self._held.before(start)
        at, until = start - len(overlap), stop
        if not overlap:  # something else that is here has to prove it, in a request of its own
            at, overlap = self._held.sample()
            until = at + len(overlap)
        while overlap:
            try:
                answer = await self._ask(stack, at, until)
            except RangeNotSatisfiable:
                break
            if answer.head.start != at:
                return await self._from_the_start(seen[0], answer)
            now = Version.of(answer.head)
            told = [version for version in seen if version.etag is not None]
            if seen[0].compare(now) is Verdict.CHANGED:
                rotates = may_rotate(*told, now)
                if rotates and len(told) + 1 < _TAGS_TO_ROTATE:
                    seen.append(now)
                    await answer.leave()
                    continue
                if not rotates:
                    await answer.leave()
                    break
                self._rotating = True
            same = await answer.continues(overlap)
            if same and answer.head.start != start:
                await answer.leave()
                answer = await self._ask(stack, start, stop)
            if same:
                return answer, True
            await answer.leave()
            break
        return await self._ask(stack, 0, None), False

    async def _from_the_start(self, known: Version, answer: Answer) -> tuple[Answer, bool]:
        """Take a body that brings all of the file; readers may have seen its beginning."""
        if known.compare(Version.of(answer.head)) is Verdict.SAME:
            return answer, True
        beginning = self._held.beginning() if self._held.pinned else b""
        return answer, bool(beginning) and await answer.begins_with(beginning)

    # Later answers, which must be about the version of the first one.

    async def _go_on(
        self, stack: AsyncExitStack, first: ResponseHead, start: int, stop: int | None
    ) -> Answer:
        known = Version.of(first)
        overlap = b"" if known.if_range is not None else self._held.before(start)
        answer = await self._ask(stack, start - len(overlap), stop)
        now = Version.of(answer.head)
        if known.compare(now) is Verdict.CHANGED and not self._rotating:
            await answer.leave()
            self._rotating = may_rotate(known, now) and await self._rotates(known, now)
            if not self._rotating:
                raise self._changed(answer.head, answer.head.total)
            answer = await self._ask(stack, start - len(overlap), stop)
        ranged = answer.head.start == start - len(overlap)
        if ranged and overlap and not await answer.continues(overlap):
            raise self._changed(answer.head, answer.head.total)
        return answer

    async def _rotates(self, *seen: Version) -> bool:
        """Whether one more answer has one more tag for bytes that are here already."""
        start, piece = self._held.sample()
        if not piece:
            return False
        async with AsyncExitStack() as stack:
            answer = await self._ask(stack, start, start + len(piece))
            now = Version.of(answer.head)
            ranged = answer.head.start == start
            return ranged and may_rotate(*seen, now) and await answer.continues(piece)

    async def _ask(
        self, stack: AsyncExitStack, start: int, stop: int | None, if_range: str | None = None
    ) -> Answer:
        """Send a request, which is left with `stack` at the latest."""
        own = AsyncExitStack()
        stack.push_async_callback(own.aclose)
        headers = dict(self._headers)
        if if_range is not None:
            headers["If-Range"] = if_range
        asked = self._net.get_range(self._url, RangeSpec(start, stop), headers=headers)
        body = await own.enter_async_context(asked)
        if self._first is None and body.head.status == 206 and body.head.total is None:
            # Such a part may end anywhere; only the end of the whole proves anything.
            await own.aclose()
            whole = self._net.stream(self._url, headers=self._headers)
            body = await own.enter_async_context(whole)
        return Answer(body, own)

    def _changed(self, head: ResponseHead | None, total: int | None) -> ContentChanged:
        known = self._held.version
        before = None
        if known is not None:
            tag, date, either = known.etag, known.last_modified, known.if_range
            before = Validator(etag=tag, last_modified=date, if_range=either)
        return ContentChanged(
            url=shown(self._url),
            before=before,
            after=None if head is None else head.validator,
            total_before=None if known is None else known.total,
            total_after=total,
        )
