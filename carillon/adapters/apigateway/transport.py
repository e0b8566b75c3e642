"""HTTP/1.1 requests, many at a time, over kept connections: libcurl's multi interface on one poll object.

Not thread-safe, and not to be used on both sides of a fork.
"""

from __future__ import annotations

import os
import random
import select
import time
from typing import Any, Final, NamedTuple

import pycurl

from carillon.errors import ConfigError

CONNECTION_LIFE_S: Final = (50, 70)
"""A connection is closed after this age, so that a changed address is followed; spread, so that not all go at once."""
FIRST_CONNECTIONS: Final = 8
"""What a cold or idle transport opens at once; every answer allows one more.

Sixty-four TLS handshakes at once hold the first answer back (81 ms instead of 14, of 500 posts) and gain nothing.
"""
_IDLE_S: Final = 30.0
_HEADERS: Final = ["Content-Type: application/octet-stream", "Accept:", "Expect:", "User-Agent: carillon"]
_TRUST_STORES: Final = (
    "/etc/pki/tls/certs/ca-bundle.crt",  # Amazon Linux: Lambda's and most containers' base
    "/etc/ssl/certs/ca-certificates.crt",  # Debian
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
_POLL_OF: Final = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


class Answer(NamedTuple):
    """How a request ended: an HTTP status, or 0 with a reason (`timeout` or `connection`) and what libcurl said."""

    key: int
    status: int
    reason: str = ""
    detail: str = ""


class Transport:
    """Up to `connections` requests at a time to one endpoint.

    Args:
        connections: how many may be open.
        trust_file: PEM file of the authorities to trust; the fewer, the faster the first request.
    """

    def __init__(self, *, connections: int, trust_file: str) -> None:
        # poll, not epoll: among this few sockets it is 10 % cheaper, as changing what is waited for is no system call.
        self._sockets = select.poll()
        self._timer_at: float | None = None
        self._running: dict[Any, int] = {}
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, connections)
        self._idle = [_request(trust_file) for _ in range(connections)]
        self._window = FIRST_CONNECTIONS
        self._quiet_since = time.monotonic()

    @property
    def free(self) -> int:
        """How many more requests may be started now; 0 or less for none."""
        if not self._running and time.monotonic() - self._quiet_since > _IDLE_S:
            self._window = FIRST_CONNECTIONS
        return min(len(self._idle), self._window - len(self._running))

    @property
    def running(self) -> list[int]:
        """Keys of the requests under way."""
        return list(self._running.values())

    def start(self, key: int, method: str, url: str, headers: list[str], body: bytes, timeout_s: float) -> None:
        """Send a request; its answer comes from `wait` under `key`. `free` must be above 0."""
        curl = self._idle.pop()
        curl.setopt(pycurl.URL, url)
        curl.setopt(pycurl.HTTPHEADER, headers + _HEADERS)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout_s * 1000)))
        self._running[curl] = key
        self._multi.add_handle(curl)

    def wait(self, timeout_s: float) -> list[Answer]:
        """Let the requests go on until some are answered or `timeout_s` is over; then what was answered."""
        if self._timer_due():
            self._tick()
        else:
            for fd, events in self._sockets.poll(self._nap(timeout_s) * 1000):
                self._multi.socket_action(fd, _curl_events(events))
            if self._timer_due():
                self._tick()
        return self._answers()

    def abandon(self) -> None:
        """Drop every request under way, and its connection with it."""
        for curl in list(self._running):
            self._rest(curl)

    def close(self) -> None:
        """Close all connections; the transport is not used after that."""
        self.abandon()
        for curl in self._idle:
            curl.close()
        self._multi.close()

    def _answers(self) -> list[Answer]:
        answers = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read(len(self._running) or 1)
            answers += [Answer(self._running[curl], curl.getinfo(pycurl.RESPONSE_CODE)) for curl in good]
            answers += [Answer(self._running[curl], 0, _reason(code), text) for curl, code, text in bad]
            self._window += len(good)
            for curl in good:
                self._rest(curl)
            for curl, _, _ in bad:
                self._rest(curl)
        return answers

    def _rest(self, curl: Any) -> None:
        del self._running[curl]
        self._multi.remove_handle(curl)
        self._idle.append(curl)
        self._quiet_since = time.monotonic()

    def _timer_due(self) -> bool:
        return self._timer_at is not None and self._timer_at <= time.monotonic()

    def _tick(self) -> None:
        self._timer_at = None
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _nap(self, timeout_s: float) -> float:
        if self._timer_at is not None:
            timeout_s = min(timeout_s, self._timer_at - time.monotonic())
        return max(0.0, timeout_s)

    def _on_timer(self, timeout_ms: int) -> None:
        self._timer_at = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000

    def _on_socket(self, what: int, fd: int, _multi: Any, _data: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            self._sockets.unregister(fd)
        else:
            self._sockets.register(fd, _POLL_OF[what])


def trust_store(given: str | None) -> str:
    """The PEM file of authorities: the one given, SSL_CERT_FILE, or this system's.

    Raises:
        ConfigError: there is no such file.
    """
    chosen = given or os.environ.get("SSL_CERT_FILE")
    for path in [chosen] if chosen else _TRUST_STORES:
        if os.path.isfile(path):  # noqa: PTH113 - pathlib costs the cold start 5 ms
            return path
    raise ConfigError(f"no trusted certificates found at {chosen or _TRUST_STORES}; set SSL_CERT_FILE to a PEM file")


def _request(trust_file: str) -> Any:
    curl = pycurl.Curl()
    options = {
        pycurl.NOSIGNAL: 1,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.PROXY: "",  # the callback endpoint is AWS's own or this machine
        pycurl.WRITEFUNCTION: _discard,
        pycurl.MAXLIFETIME_CONN: random.randint(*CONNECTION_LIFE_S),
        pycurl.CAINFO: trust_file,
        pycurl.TCP_NODELAY: 1,
    }
    for option, value in options.items():
        curl.setopt(option, value)
    return curl


def _discard(_data: bytes) -> None:
    """An error's explanation; the status says enough."""


def _curl_events(events: int) -> int:
    wanted = 0
    if events & (select.POLLIN | select.POLLHUP):
        wanted |= pycurl.CSELECT_IN
    if events & select.POLLOUT:
        wanted |= pycurl.CSELECT_OUT
    if events & select.POLLERR:
        wanted |= pycurl.CSELECT_ERR
    return wanted


def _reason(code: int) -> str:
    return "timeout" if code == pycurl.E_OPERATION_TIMEDOUT else "connection"
