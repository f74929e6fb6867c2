"""aiohttp's exceptions as ours: the one place where they are told apart."""

from __future__ import annotations

import errno
import socket
import ssl

import aiohttp
from yarl import URL

from kithara_net._errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    NetError,
    TimedOut,
)
from kithara_net._models import NetOptions
from kithara_net._urls import shown

REQUEST_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)

_REASONS = {
    errno.ECONNREFUSED: "the connection was refused; is the server running?",
    errno.ECONNRESET: "the connection was reset",
    errno.EHOSTUNREACH: "the host cannot be reached; check the network",
    errno.ENETUNREACH: "the network cannot be reached; check the network",
    errno.ENETDOWN: "the network is down",
    errno.ETIMEDOUT: "the host does not respond",
    errno.EMFILE: "too many open files in this process",
}


def request_failure(
    exc: BaseException, target: URL, options: NetOptions
) -> tuple[NetError, BaseException | None]:
    """Our error for a failure before the head, and the cause to chain.

    The cause is never an exception whose text repeats the whole address.
    """
    url = shown(str(target))
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        seconds = options.connect_timeout or 0.0
        return TimedOut(url=url, phase="connect", seconds=seconds), exc.__cause__
    if isinstance(exc, TimeoutError) and not isinstance(exc, aiohttp.ClientConnectorError):
        seconds = options.first_byte_timeout or 0.0
        return TimedOut(url=url, phase="first byte", seconds=seconds), exc
    if isinstance(exc, aiohttp.ClientConnectorError):
        # Its representation may hold the credentials of a proxy.
        return _connect_failure(exc, target, url), exc.os_error
    if isinstance(exc, aiohttp.ClientResponseError):
        reason = _one_line(exc.message) or "it cannot be parsed"
        return BadResponse(url=url, reason=reason), exc.__cause__
    if isinstance(exc, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return BadResponse(url=url, reason="the address was not accepted"), None
    return ConnectionLost(url=url), exc


def _connect_failure(exc: aiohttp.ClientConnectorError, target: URL, url: str) -> ConnectFailed:
    cause = exc.os_error
    recoverable = True
    if isinstance(exc, aiohttp.ClientConnectorDNSError) or isinstance(cause, socket.gaierror):
        reason = "no such host is known; check the name and the network"
    elif isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        recoverable = False
        told = getattr(cause, "verify_message", "") if isinstance(cause, ssl.SSLError) else ""
        detail = f" ({_one_line(told)})" if told else ""
        reason = f"the server's TLS certificate or handshake is not acceptable{detail}"
    else:
        plain = _one_line(cause.strerror or str(cause)).lower()
        reason = _REASONS.get(cause.errno or 0, plain or "no cause was given")
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        reason = f"through the proxy {exc.host}:{exc.port}: {reason}"
    return ConnectFailed(
        url=url,
        host=target.host or "",
        port=target.port,
        reason=reason,
        recoverable=recoverable,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
