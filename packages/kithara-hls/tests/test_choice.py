import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from kithara_hls import (
    AbrDecision,
    AbrSettings,
    AbrState,
    DownloadProgress,
    DownloadSample,
    HlsSource,
    NoVariant,
    ThroughputSample,
    VariantApplied,
    VariantMissing,
    VariantSelected,
)
from kithara_net.testing import Server
from kithara_stream import Reader

Record = Callable[..., Any]
Open = Callable[..., HlsSource]


class Script:
    """A rule that chooses from a list, and remembers what it was told."""

    def __init__(self, *choices: int) -> None:
        self.choices = list(choices)
        self.states: list[AbrState] = []
        self.samples: list[DownloadSample] = []
        self.flushes = 0

    def decide(self, state: AbrState) -> AbrDecision:
        self.states.append(state)
        choice = self.choices.pop(0) if len(self.choices) > 1 else self.choices[0]
        return AbrDecision(variant=choice, reason="scripted", buffer=state.buffer)

    def on_download(self, sample: DownloadSample) -> None:
        self.samples.append(sample)

    def on_flush(self) -> None:
        self.flushes += 1


class Impatient(Script):
    """Gives up the first download that is asked about."""

    def __init__(self, *choices: int) -> None:
        super().__init__(*choices)
        self.asked: list[DownloadProgress] = []

    def abandon(self, state: AbrState, progress: DownloadProgress) -> AbrDecision | None:
        self.asked.append(progress)
        return AbrDecision(variant=0, reason="abandon") if progress.variant else None


def three(record: Record, server: Server, count: int = 6) -> tuple[list[Any], str]:
    made = [record(f"/{number}", seed=number) for number in range(3)]
    for recording in made:
        for number in range(count):
            recording.segment(f"{number}.ts", 9000)
        recording.publish()
    lines = [f"#EXT-X-STREAM-INF:BANDWIDTH={(i + 1) * 10_000}\n/{i}/list.m3u8" for i in range(3)]
    server.add("/master.m3u8", "\n".join(["#EXTM3U", *lines]).encode())
    return made, server.url("/master.m3u8")


def spans(reader: Reader) -> list[bytes]:
    with reader:
        return [span.read() for span in reader.spans()]


async def test_a_rule_is_asked_for_each_segment(
    record: Record, source: Open, server: Server
) -> None:
    made, url = three(record, server)
    rule = Script(0, 0, 0, 1, 1, 2, 2)  # once to open with, then for each segment
    async with source(url, abr_policy=rule) as session:
        events = session.events()
        heard = await asyncio.to_thread(spans, session.reader())
        seen = [event async for event in _until_over(session, events)]
    expected = [made[0].parts[:2], made[1].parts[2:4], made[2].parts[4:]]
    assert heard == [b"".join(parts) for parts in expected]
    chosen = [(e.variant.index, e.index, e.reason) for e in seen if isinstance(e, VariantSelected)]
    assert chosen == [(0, 0, "scripted"), (1, 2, "scripted"), (2, 4, "scripted")]
    applied = [(e.variant.index, e.index) for e in seen if isinstance(e, VariantApplied)]
    assert applied == [(0, 0), (1, 2), (2, 4)]
    states = rule.states
    assert [state.current for state in states] == [None, None, 0, 0, 1, 1, 2]
    assert [state.segment for state in states[1:]] == [2.5] * 6
    assert [state.remaining for state in states[1:]] == [15, 12.5, 10, 7.5, 5, 2.5]
    assert states[-1].candidates == (0, 1, 2)
    assert [v.bitrate for v in states[0].variants] == [10_000, 20_000, 30_000]
    assert sum(sample.size for sample in rule.samples) == 6 * 9000
    assert sum(e.bytes for e in seen if isinstance(e, ThroughputSample)) == 6 * 9000
    # The cache tells a rule nothing.
    rule = Script(0, 0, 0, 1, 1, 2, 2)
    async with source(url, abr_policy=rule, offline=True) as session:
        assert await asyncio.to_thread(spans, session.reader()) == heard
    assert rule.samples == []


async def _until_over(session: Any, events: Any) -> Any:
    await session.aclose()
    async for event in events:
        yield event


async def test_a_seek_is_told_to_the_rule(record: Record, source: Open, server: Server) -> None:
    made, url = three(record, server)
    rule = Script(1)
    async with source(url, abr_policy=rule, look_ahead=0) as session:
        reader = session.reader()
        assert await asyncio.to_thread(reader.read, 9000) == made[1].parts[0]
        assert rule.flushes == 0
        await asyncio.to_thread(reader.seek_time, 10.0)
        assert rule.flushes == 1
        assert (rule.states[-1].current, rule.states[-1].buffer) == (1, 0)


async def test_manual_and_auto_take_turns(record: Record, source: Open, server: Server) -> None:
    made, url = three(record, server)
    rule = Script(1)
    async with source(url, abr_policy=rule, look_ahead=0) as session:
        reader = session.reader()
        heard = await asyncio.to_thread(reader.read, 9000)
        session.select_variant(2)
        heard += await asyncio.to_thread(reader.read, 9000)
        session.select_variant(None)
        heard += await asyncio.to_thread(reader.read, 9000)
        with pytest.raises(VariantMissing):
            session.select_variant(3)
    assert heard == made[1].parts[0] + made[2].parts[1] + made[1].parts[2]
    assert len(rule.states) == 3


async def test_a_download_is_given_up_where_the_rule_says_so(
    record: Record, source: Open, server: Server
) -> None:
    made, url = three(record, server)
    made[2].resources["1.ts"].behaviour = {"stall_after": 500}
    rule = Impatient(0, 0, 2, 0)
    async with source(url, abr_policy=rule, parallel=1) as session:
        events = session.events()
        heard = b"".join(await asyncio.to_thread(spans, session.reader()))
        before, after = made[0].parts[0], b"".join(made[0].parts[1:])
        assert heard in (before + part + after for part in (b"", made[2].parts[1][:500]))
        seen = [event async for event in _until_over(session, events)]
    assert any(p.variant == 2 and p.received <= 500 for p in rule.asked)
    reasons = [event.reason for event in seen if isinstance(event, VariantSelected)]
    assert reasons == ["scripted", "scripted", "abandon"]


async def test_what_no_setting_allows_is_an_error(
    record: Record, source: Open, server: Server
) -> None:
    _, url = three(record, server)
    with pytest.raises(NoVariant, match="max_bitrate"):
        await source(url, abr=AbrSettings(max_bitrate=5)).open()
    async with source(url, abr=AbrSettings(max_bitrate=25_000)) as session:
        await session.wait_complete()
        assert session.variant.index <= 1


async def test_a_rule_that_chooses_what_it_may_not_is_told_to_who_reads(
    record: Record, source: Open, server: Server
) -> None:
    _, url = three(record, server)
    with pytest.raises(ValueError, match="none of"):
        await source(url, abr_policy=Script(7)).open()
    async with source(url, abr_policy=Script(0, 0, 7)) as session:
        with pytest.raises(ValueError, match="none of"):
            await asyncio.to_thread(session.reader().read)
        with pytest.raises(ValueError, match="none of"):
            await session.wait_complete()


async def test_what_a_proxy_held_back_and_sent_at_once_tells_what_the_wait_was(
    source: Open, server: Server, record: Record
) -> None:
    """Each body comes in one burst, when all of it has come to the proxy over 2 Mbit/s."""
    bodies: dict[str, bytes] = {}
    lines = ["#EXTM3U"]
    for number, kbit in enumerate((64, 320, 8000)):
        bodies |= {f"/{number}/{index}.ts": bytes(250 * kbit) for index in range(4)}
        listed = [f"#EXTINF:2,\n{index}.ts" for index in range(4)]
        bodies[f"/{number}/list.m3u8"] = "\n".join(["#EXTM3U", *listed, "#EXT-X-ENDLIST"]).encode()
        lines.append(f"#EXT-X-STREAM-INF:BANDWIDTH={kbit}000\n/{number}/list.m3u8")
    bodies["/master.m3u8"] = "\n".join(lines).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = bodies[head.split()[1].decode()]
                await asyncio.sleep(8 * len(body) / 2e6)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        async with source(f"http://127.0.0.1:{port}/master.m3u8", parallel=1) as session:
            events = session.events()
            await session.wait_complete()
            seen = [event async for event in _until_over(session, events)]
    chosen = [event.variant.index for event in seen if isinstance(event, VariantSelected)]
    assert chosen[-1] == 1
    assert max(chosen) == 1
