import aiohttp

from kithara_net import HttpClient
from kithara_net.testing import Server


async def test_credentials_of_an_injected_session_stay_with_their_origin(server: Server) -> None:
    async with Server() as other:
        server.add("/a", redirect=other.url("/b"))
        other.add("/b", b"x")
        headers = {"Authorization": "secret", "X-Other": "kept"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            HttpClient(session=session) as client,
        ):
            for _ in range(2):
                await client.get_bytes(server.url("/a"))
            assert not session.closed
    assert [r.headers["Authorization"] for r in server.requests] == ["secret"] * 2
    assert not any("Authorization" in r.headers for r in other.requests)
    assert [r.headers["X-Other"] for r in other.requests] == ["kept"] * 2
    assert other.connections_opened == 1


async def test_cookies_of_an_injected_session_follow_the_jar(server: Server) -> None:
    server.add("/a", redirect="/b", headers={"Set-Cookie": "pass=1; Path=/"})
    server.add("/b", b"x")
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        await HttpClient(session=session).get_bytes(server.url("/a"))
    assert server.requests_for("/b")[0].headers["Cookie"] == "pass=1"
