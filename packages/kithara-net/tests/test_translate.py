import asyncio
import errno
import socket

import aiohttp
import pytest

from kithara_net import ConnectFailed, ConnectionLost, HttpClient, NetOptions, TimedOut
from kithara_net.testing import Server


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class NoSuchHost(aiohttp.abc.AbstractResolver):
    """Answers as the system's resolver does for an unknown name, without a network."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def close(self) -> None:
        pass


async def test_nobody_listens(client: HttpClient) -> None:
    port = unused_port()
    with pytest.raises(ConnectFailed) as caught:
        await client.get_bytes(f"http://127.0.0.1:{port}/a.mp3?token=secret")
    error = caught.value
    assert (error.host, error.port, error.recoverable) == ("127.0.0.1", port, True)
    assert str(error) == (
        f"http://127.0.0.1:{port}/a.mp3?…: cannot connect to 127.0.0.1:{port}: "
        "the connection was refused; is the server running?"
    )
    cause = error.__cause__
    assert isinstance(cause, OSError)
    assert cause.errno == errno.ECONNREFUSED
    assert "secret" not in repr(cause)


async def test_an_unknown_host() -> None:
    connector = aiohttp.TCPConnector(resolver=NoSuchHost())
    session = aiohttp.ClientSession(connector=connector)
    async with session, HttpClient(session=session) as client:
        with pytest.raises(ConnectFailed) as caught:
            await client.head("https://radio.invalid/live?token=secret")
    assert "cannot connect to radio.invalid:443: no such host is known" in str(caught.value)
    assert caught.value.recoverable


async def test_plain_http_where_tls_was_expected() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as plain, HttpClient() as client:
        port = plain.sockets[0].getsockname()[1]
        with pytest.raises(ConnectFailed) as caught:
            await client.head(f"https://127.0.0.1:{port}/a")
    assert "TLS" in str(caught.value)
    assert not caught.value.recoverable


async def test_the_connection_breaks_before_the_head(server: Server, client: HttpClient) -> None:
    server.add("/a", raw=b"")
    with pytest.raises(ConnectionLost) as caught:
        await client.get_bytes(server.url("/a?token=secret"))
    assert caught.value.recoverable
    assert "secret" not in repr(caught.value.__cause__)


async def test_no_connection_in_time() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        # Fill the queue of a listener that never accepts: the next connection hangs.
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        async with HttpClient(NetOptions(connect_timeout=0.05)) as client:
            with pytest.raises(TimedOut) as caught:
                await client.get_bytes(f"http://127.0.0.1:{address[1]}/a?token=secret")
        for filler in fillers:
            filler.close()
    assert (caught.value.phase, caught.value.seconds) == ("connect", 0.05)
    assert "secret" not in repr(caught.value.__cause__)
    assert "no connection within 0.05 s" in str(caught.value)


async def test_no_answer_in_time(server: Server) -> None:
    server.add("/a", b"x", stall_head=True)
    async with HttpClient(NetOptions(first_byte_timeout=0.05)) as client:
        with pytest.raises(TimedOut) as caught:
            await client.get_bytes(server.url("/a"))
    assert caught.value.phase == "first byte"
