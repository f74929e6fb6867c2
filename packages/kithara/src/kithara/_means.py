"""What a URL is fetched with and kept in: ours unless a store or a net is given."""

import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from _kithara._cache import cache
from kithara_assets import Assets
from kithara_net import HttpClient, Net, NetOptions, NetRequest, RetryNet, RetryPolicy, Sign

from ._recorder import Recorder
from ._session import Session, Wish, check_url, local_file, open_local, open_session

Folder = str | os.PathLike[str] | None

_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """How to reach the network and the disk."""

    cache: Folder = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    store: Assets | None = None
    net: Net | None = None

    def __post_init__(self) -> None:
        if self.net is not None and self.headers:
            raise ValueError("headers are for the client made here; give them to the net of yours")
        if self.store is not None and self.cache is not None:
            raise ValueError("give either the folder of a cache or a store, not both")

    async def open(self, wish: Wish, owned: AsyncExitStack, recorder: Recorder) -> Session:
        """Open a session; `owned` closes it, and whatever was opened for it."""
        session = await self._open(wish, owned, recorder)
        owned.push_async_callback(recorder.watch(session))
        owned.push_async_callback(session.aclose)
        return session

    async def _open(self, wish: Wish, owned: AsyncExitStack, recorder: Recorder) -> Session:
        if local_file(wish.url):
            return await open_local(wish)
        check_url(wish.url)
        store, net = self.store, self.net
        if store is None:
            store = owned.enter_context(cache(self.cache))
        patient = net
        if net is None or patient is None:
            net = client = HttpClient(
                NetOptions(headers={k: v for k, v in self.headers.items() if not _secret(k)}),
                sign=_credentials(wish.url, self.headers),
                trace=recorder.on_net,
            )
            await owned.enter_async_context(client)
            policy = (
                RetryPolicy() if wish.retries is None else RetryPolicy(max_retries=wish.retries)
            )
            patient = RetryNet(client, policy, trace=recorder.on_net)
        return await open_session(wish, store=store, net=net, patient=patient)


def _secret(name: str) -> bool:
    return name.lower() in _CREDENTIALS


def _credentials(url: str, headers: Mapping[str, str]) -> Sign | None:
    """Show credentials to the server that was named, and not to those that it names."""
    secrets = {name: value for name, value in headers.items() if _secret(name)}
    if not secrets:
        return None
    home = _origin(url)

    def sign(request: NetRequest) -> NetRequest:
        if _origin(request.url) != home:
            return request
        return replace(request, headers={**request.headers, **secrets})

    return sign


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default
