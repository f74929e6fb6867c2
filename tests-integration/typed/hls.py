"""What a type checker makes of a program that uses kithara-hls."""

from typing import assert_type

from kithara_assets import Assets
from kithara_hls import (
    AbrController,
    AbrSettings,
    Completion,
    HlsError,
    HlsEvent,
    HlsOptions,
    HlsSession,
    HlsSource,
    KeyContext,
    Variant,
    VariantSelected,
)
from kithara_net import Net
from kithara_stream import Reader, Subscription, TransferStats


def key(received: bytes, url: str, context: KeyContext) -> bytes:
    assert_type(context.segment_url, str)
    return received


async def use(url: str, store: Assets, net: Net) -> None:
    settings = AbrSettings(max_bitrate=1e6)
    options = HlsOptions(variant="auto", abr=settings, key_processor=key, lost="silence")
    async with HlsSource(url, store=store, net=net, options=options) as session:
        assert_type(session, HlsSession)
        assert_type(session.reader(), Reader)
        assert_type(session.duration, float)
        assert_type(session.variants, tuple[Variant, ...])
        assert_type(session.stats, TransferStats)
        assert_type(session.events(), Subscription[HlsEvent])
        async for event in session.events():
            if isinstance(event, VariantSelected):
                assert_type(event.variant.bandwidth, int)
        try:
            session.select_variant(None)
            await session.download()
            assert_type(await session.is_complete(), Completion)
        except HlsError as error:
            assert_type(error.recoverable, bool)
    AbrController(settings)
