"""Proxies and TLS of an injected session, with a real proxy and real certificates on loopback."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kithara_net import ConnectFailed, HttpClient, NetError, RangeSpec, RetryNet
from kithara_net.testing import Server

CONTENT = bytes(range(256)) * 400
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of its own, all of whose connections are gone afterwards."""
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def tracked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running[task] = writer
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            del running[task]

    server = await asyncio.start_server(tracked, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in running.values():
            writer.close()  # its end of file ends the task
        await asyncio.gather(*running)
        await server.wait_closed()


async def relay(
    port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes = b""
) -> None:
    """Hand bytes on both ways until either side ends."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    far_writer.write(first)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()

    pumps = [
        asyncio.create_task(pump(reader, far_writer)),
        asyncio.create_task(pump(far_reader, writer)),
    ]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        far_writer.close()
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        with suppress(OSError):
            await far_writer.wait_closed()


class Proxy:
    """A proxy for plain requests (absolute form) and for CONNECT."""

    def __init__(self, *, needs: str | None = None) -> None:
        self.asked: list[str] = []
        self._needs = needs

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        self.asked.append(f"{method} {target}")
        if self._needs is not None and self._needs.encode() not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await relay(int(target.rpartition(":")[2]), reader, writer)
            return
        host, _, path = target.removeprefix("http://").partition("/")
        plain = head.replace(target.encode(), b"/" + path.encode(), 1)
        plain = plain.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        await relay(int(host.rpartition(":")[2]), reader, writer, plain)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side of TLS, with a certificate of its own, and a client that knows it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem: Path = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(pem)
    theirs = ssl.create_default_context(cafile=str(pem))
    return ours, theirs


async def test_a_session_with_its_own_certificates(
    server: Server, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server.add("/a", CONTENT, script=[{"cut_after": 5000}])
    async with listening(lambda r, w: relay(server.port, r, w), contexts[0]) as port:
        url = f"https://127.0.0.1:{port}/a"
        connector = aiohttp.TCPConnector(ssl=contexts[1])
        async with aiohttp.ClientSession(connector=connector) as session:
            net = RetryNet(HttpClient(session=session))
            async with net.get_range(url, RangeSpec(100)) as body:
                assert b"".join([piece async for piece in body]) == CONTENT[100:]
        assert len(server.requests) == 2
        async with HttpClient() as stranger:
            with pytest.raises(ConnectFailed, match="TLS certificate") as caught:
                await stranger.get_bytes(url)
        assert not caught.value.recoverable
        assert len(server.requests) == 2


async def test_every_request_goes_through_the_proxy_of_the_session(server: Server) -> None:
    proxy = Proxy()
    async with Server() as other, listening(proxy.serve) as port:
        server.add("/a", redirect=other.url("/b"))
        other.add("/b", CONTENT)
        session = aiohttp.ClientSession(
            proxy=f"http://127.0.0.1:{port}", headers={"Authorization": "secret"}
        )
        async with (
            session,
            HttpClient(session=session) as client,
            client.get_range(server.url("/a"), RangeSpec(10, 20)) as body,
        ):
            assert b"".join([piece async for piece in body]) == CONTENT[10:20]
        assert proxy.asked == [f"GET {server.url('/a')}", f"GET {other.url('/b')}"]
        assert "Authorization" not in other.requests[0].headers


async def test_tls_through_a_proxy(
    server: Server, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    server.add("/a", CONTENT)
    proxy = Proxy(needs="Proxy-Authorization: Basic ")
    async with (
        listening(lambda r, w: relay(server.port, r, w), contexts[0]) as tls_port,
        listening(proxy.serve) as port,
    ):
        url = f"https://127.0.0.1:{tls_port}/a"
        for user in ("me:secret@", ""):
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=contexts[1]),
                proxy=f"http://{user}127.0.0.1:{port}",
            )
            async with session, HttpClient(session=session) as client:
                if user:
                    assert (await client.get_bytes(url)).body == CONTENT
                    continue
                with pytest.raises(NetError, match="Proxy Authentication Required") as caught:
                    await client.get_bytes(url)
                assert not caught.value.recoverable
        assert proxy.asked == [f"CONNECT 127.0.0.1:{tls_port}"] * 2
        assert len(server.requests) == 1


async def test_a_proxy_that_is_not_there(server: Server) -> None:
    async with listening(lambda r, w: relay(server.port, r, w)) as port:
        pass
    session = aiohttp.ClientSession(proxy=f"http://me:secret@127.0.0.1:{port}")
    async with session, HttpClient(session=session) as client:
        with pytest.raises(ConnectFailed, match=f"through the proxy 127.0.0.1:{port}: ") as caught:
            await client.get_bytes(server.url("/a"))
    assert "secret" not in str(caught.value)
    assert not server.requests
