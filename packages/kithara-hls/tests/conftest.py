import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from kithara_assets import DiskAssetStore, asset_store
from kithara_hls import HlsOptions, HlsSource
from kithara_net import HttpClient, RetryPolicy
from kithara_net.testing import Resource, Server


def encrypt(clear: bytes, key: bytes, iv: bytes) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(AES(key), CBC(iv)).encryptor()
    return encryptor.update(padder.update(clear) + padder.finalize()) + encryptor.finalize()


@dataclass
class Recording:
    """A made HLS recording on the test server, and what a reader must get of it."""

    server: Server
    folder: str
    rng: random.Random
    lines: list[str] = field(default_factory=lambda: ["#EXTM3U", "#EXT-X-PLAYLIST-TYPE:VOD"])
    parts: list[bytes] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    key: bytes | None = None
    iv: bytes | None = None
    sequence: int = 0
    init: bytes = b""
    fresh: bool = True

    @property
    def clear(self) -> bytes:
        return b"".join(self.parts)

    @property
    def url(self) -> str:
        return self.server.url(f"{self.folder}/list.m3u8")

    def serve(self, name: str, content: bytes) -> None:
        self.served[name] = content
        self.resources[name] = self.server.add(f"{self.folder}/{name}", content)

    def _code(self, clear: bytes) -> bytes:
        if self.key is None:
            return clear
        return encrypt(clear, self.key, self.iv or self.sequence.to_bytes(16, "big"))

    def use_key(self, name: str, *, explicit: bool, bits: int = 128) -> "Recording":
        self.key = self.rng.randbytes(bits // 8)
        self.iv = self.rng.randbytes(16) if explicit else None
        iv = f",IV=0x{self.iv.hex()}" if self.iv else ""
        self.lines.append(f'#EXT-X-KEY:METHOD=AES-{bits},URI="{name}"{iv}')
        self.serve(name, self.key)
        return self

    def no_key(self) -> "Recording":
        self.key = self.iv = None
        self.lines.append("#EXT-X-KEY:METHOD=NONE")
        return self

    def use_init(self, name: str, size: int = 700) -> "Recording":
        self.init = self.rng.randbytes(size)
        self.serve(name, self._code(self.init))
        self.lines.append(f'#EXT-X-MAP:URI="{name}"')
        self.fresh = True
        return self

    def discontinuity(self) -> "Recording":
        self.lines.append("#EXT-X-DISCONTINUITY")
        self.fresh = True
        return self

    def segment(
        self, name: str, size: int = 5000, *, seconds: float = 2.5, head: bytes = b""
    ) -> "Recording":
        if self.fresh and self.init:
            self.parts.append(self.init)
        self.fresh = False
        clear = head + self.rng.randbytes(size - len(head))
        self.parts.append(clear)
        self.serve(name, self._code(clear))
        self.lines += [f"#EXTINF:{seconds:g},", name]
        self.sequence += 1
        return self

    def at(self, name: str, ticks: int, *, seconds: float = 2.5, size: int = 5000) -> "Recording":
        """A segment of packed audio whose ID3 tag tells its time, in ticks of 90 kHz."""
        owner = b"com.apple.streaming.transportStreamTimestamp\0"
        frame = owner + (ticks % 2**33).to_bytes(8, "big")
        tag = b"PRIV" + len(frame).to_bytes(4, "big") + b"\0\0" + frame
        head = b"ID3\4\0\0" + bytes([0, 0, 0, len(tag)]) + tag
        return self.segment(name, size, seconds=seconds, head=head)

    def publish(self) -> "Recording":
        text = "\n".join([*self.lines, "#EXT-X-ENDLIST", ""])
        self.serve("list.m3u8", text.encode())
        return self


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def net() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskAssetStore]:
    with asset_store(tmp_path / "cache") as opened:
        yield opened


@pytest.fixture
def record(server: Server) -> Callable[..., Recording]:
    def make(folder: str = "/music", seed: int = 1) -> Recording:
        return Recording(server, folder, random.Random(seed))

    return make


@pytest.fixture
def rich(record: Callable[..., Recording]) -> Callable[[], Recording]:
    """Keys with and without an IV, clear and encrypted init sections, NONE, discontinuities."""

    def make() -> Recording:
        made = record().use_init("init-a.mp4").segment("1.m4s").segment("2.m4s", 4096)
        made.use_key("a.key", explicit=False).segment("3.m4s", 1).segment("4.m4s", 16)
        made.use_key("b.key", explicit=True).use_init("init-b.mp4", 333).segment("5.m4s", 100_000)
        made.discontinuity().segment("6.m4s", 15)
        return made.no_key().segment("7.m4s", 12345).publish()

    return make


@pytest.fixture
def source(store: DiskAssetStore, net: HttpClient, nothing_left: None) -> Callable[..., HlsSource]:
    def make(url: str, **options: object) -> HlsSource:
        options.setdefault("retry", RetryPolicy(max_retries=0))
        return HlsSource(url, store=store, net=net, options=HlsOptions(**options))  # type: ignore[arg-type] # each test names real options

    return make


@pytest.fixture
async def nothing_left(
    server: Server, net: HttpClient, store: DiskAssetStore
) -> AsyncIterator[None]:
    """No task, thread or descriptor of a session outlives its test."""
    tasks = asyncio.all_tasks()
    threads = set(threading.enumerate())
    yield
    await net.aclose()
    await server.wait_for(lambda: server.connections == 0)
    left = [
        task for task in asyncio.all_tasks() - tasks - {asyncio.current_task()} if not task.done()
    ]
    assert left == []
    pool = ("asyncio_", "ThreadPool", "kithara-atomic")  # the loop's, and the store's
    assert [t for t in set(threading.enumerate()) - threads if not t.name.startswith(pool)] == []
    store.close()  # its thread lets go of what it was writing just now
    assert open_files_below(store.root) == []


def open_files_below(folder: Path) -> list[str]:
    """The descriptors of this process that are files of a cache (where the system can tell)."""
    found = []
    for fd in Path("/proc/self/fd").glob("*"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(fd))
    return [target for target in found if target.startswith(os.fspath(folder))]
