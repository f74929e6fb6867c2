"""What a type checker makes of a program that uses kithara-file."""

from typing import assert_type

from kithara_assets import Assets
from kithara_file import FileEvent, FileOptions, FileSession, FileSource, Progress, Unreadable
from kithara_net import Net
from kithara_stream import MediaInfo, Reader, Subscription, TransferStats


async def use(url: str, store: Assets, net: Net) -> None:
    options = FileOptions(offline=True, look_ahead=1)
    async with FileSource(url, store=store, net=net, options=options) as session:
        assert_type(session, FileSession)
        assert_type(session.reader(), Reader)
        assert_type(session.stats, TransferStats)
        assert_type(session.length, int | None)
        assert_type(session.media_info, MediaInfo)
        assert_type(session.events(), Subscription[FileEvent])
        async for event in session.events():
            if isinstance(event, Progress):
                assert_type(event.total, int | None)
        try:
            await session.wait_complete()
        except Unreadable as error:
            assert_type(error.recoverable, bool)
