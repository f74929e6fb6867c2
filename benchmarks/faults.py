"""What clients make of servers that break, change, and lie: one row per fault, side by side.

Each client may go on where it broke off as often as it likes within ten runs. "right" is one
version of the file, whole; "error" says so; "WRONG" is success with other bytes; "hangs" took
longer than any of its own time limits. `aiohttp` is the loop that people write: append what a 206
brings, start again on a 200. Clients that are not installed are left out, and named.
"""

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from kithara_net import HttpClient, NetError, NetOptions, RetryNet, RetryPolicy
from kithara_net.testing import CHANGED_CONTENT, FAULT_CONTENT, FAULTS, Fault, Server

SILENCE = 1.0
PATIENCE = 60.0
RUNS = 10

Outcome = bytes | None
Client = Callable[[str, Path], Awaitable[Outcome]]

TOOLS = {
    "curl": (
        "curl -sS -f -C - --connect-timeout {silence} --speed-limit 1 --speed-time {silence} "
        "--max-redirs 5 -L -o {file} {url}"
    ),
    "wget": (
        "wget -q -c --tries=3 --waitretry=0 --timeout={silence} --max-redirect=5 -O {file} {url}"
    ),
    "aria2c": (
        "aria2c -q -c -x1 --max-tries=3 --retry-wait=0 --timeout={silence} "
        "--allow-overwrite=true --auto-file-renaming=false -d {folder} -o {name} {url}"
    ),
}


async def kithara(url: str, _: Path) -> Outcome:
    """Ours, with short waits."""
    options = NetOptions(first_byte_timeout=SILENCE, stall_timeout=SILENCE)
    async with HttpClient(options) as client:
        net = RetryNet(client, RetryPolicy(base_delay=0.01, max_retry_after=0.1))
        try:
            async with net.stream(url) as body:
                return b"".join([piece async for piece in body])
        except NetError:
            return None


async def bare(url: str, _: Path) -> Outcome:
    """The usual loop around aiohttp."""
    got = b""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session:
        for _run in range(RUNS):
            headers = {"Range": f"bytes={len(got)}-"} if got else {}
            try:
                async with session.get(url, headers=headers) as response:
                    if response.status != 206:
                        got = b""
                    async for piece in response.content.iter_any():
                        got += piece
                return got
            except (aiohttp.ClientError, TimeoutError):
                continue
    return None


def saved(file: Path) -> bytes:
    """What a program left behind; nothing where it left no file."""
    return file.read_bytes() if file.exists() else b""


def tool(command: str) -> Client:
    """A program that is run again, to go on, while it fails."""

    async def fetch(url: str, file: Path) -> Outcome:
        facts = {"file": file, "folder": file.parent, "name": file.name, "url": url}
        words = [word.format(silence=int(SILENCE), **facts) for word in command.split()]
        for _ in range(RUNS):
            process = await asyncio.create_subprocess_exec(
                *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            try:
                code = await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if code == 0:
                return saved(file)
        return None

    return fetch


async def verdict(client: Client, fault: Fault, folder: Path) -> str:
    """One client against one fault, on a server of its own."""
    async with Server() as server:
        fault.add_to(server, "/song")
        try:
            async with asyncio.timeout(PATIENCE):
                got = await client(server.url("/song"), folder / "song")
        except TimeoutError:
            return "hangs"
    if got is None:
        return "error"
    versions = (FAULT_CONTENT, fault.lasting.get("new_content", CHANGED_CONTENT))
    return "right" if got in versions else "WRONG"


async def row(clients: dict[str, Client], fault: Fault) -> list[str]:
    """All clients against one fault, at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, name) for name in clients]
        for place in places:
            place.mkdir()
        return await asyncio.gather(
            *(verdict(c, fault, place) for c, place in zip(clients.values(), places, strict=True))
        )


async def main() -> None:
    """Print the matrix and the sums."""
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    clients: dict[str, Client] = {"kithara": kithara, "aiohttp": bare}
    clients |= {name: tool(line) for name, line in TOOLS.items() if name not in missing}
    sums: dict[str, Counter[str]] = {name: Counter() for name in clients}
    wide = max(len(fault.name) for fault in FAULTS) + 2
    print(" " * wide + "".join(f"{name:<9}" for name in clients))
    for fault in FAULTS:
        verdicts = await row(clients, fault)
        for name, word in zip(clients, verdicts, strict=True):
            sums[name][word] += 1
        print(f"{fault.name:<{wide}}" + "".join(f"{word:<9}" for word in verdicts), flush=True)
    print()
    for word in ("right", "error", "WRONG", "hangs"):
        print(f"{word:<{wide}}" + "".join(f"{sums[name][word]:<9}" for name in clients))
    if sums["kithara"]["WRONG"]:
        sys.exit("kithara gave wrong bytes")


if __name__ == "__main__":
    asyncio.run(main())
