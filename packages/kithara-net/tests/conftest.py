"""A server and a client per test; afterwards no connection and no task may be left."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kithara_net import HttpClient, NetOptions
from kithara_net.testing import Server


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as server:
        yield server
        # A leak must fail, not hang.
        async with asyncio.timeout(10):
            await server.wait_for(lambda: server.connections == 0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def client(server: Server) -> AsyncIterator[HttpClient]:
    # Without connections ahead, so that connections can be counted.
    async with HttpClient(NetOptions(preconnect=False)) as client:
        yield client
