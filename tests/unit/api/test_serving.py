"""How the API is served: behind a CDN, by one command, and told to stop."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api.app import create_app
from api.services import Services
from carillon.config import ApiSettings
from carillon.protocol.web import (
    ALIVE,
    CONSOLE_CONFIG,
    CONTENT_SECURITY_POLICY,
    OPEN_PATHS,
    SCHEME_HEADER,
    SECURITY_HEADERS,
    SHARED_CONTROL,
    page_policy,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent.parent.parent
PATIENCE_S = 30.0
SOCKET = "wss://sockets.example/live"


def ask(path: str, **headers: str) -> httpx.Response:
    """An answer of the API that needs nothing behind it; the loop and the relay are not started."""
    nothing: Any = None
    settings = ApiSettings(relay=False, websocket_url=SOCKET)
    app = create_app(Services(nothing, nothing, nothing, nothing, settings, *[nothing] * 4))

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://c.example") as client:
            return await client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(asked())


@pytest.mark.parametrize(("told", "scheme"), [("https", "https"), ("http", "http"), ("ftp", "http")])
def test_a_redirect_keeps_the_scheme_of_the_cdn(told: str, scheme: str) -> None:
    answer = ask("/v1/weddings/", **{SCHEME_HEADER: told})
    assert answer.status_code == 307
    assert answer.headers["Location"] == f"{scheme}://c.example/v1/weddings"


def test_what_a_client_says_of_itself_is_not_believed() -> None:
    answer = ask("/v1/weddings/", X_Forwarded_Proto="https", X_Forwarded_Host="evil.example")
    assert answer.headers["Location"] == "http://c.example/v1/weddings"


def test_pages_and_answers_carry_the_headers() -> None:
    page, problem = ask("/errors"), ask("/v1/nowhere")
    for answer in (page, problem):
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert page.headers[CONTENT_SECURITY_POLICY] == page_policy(["wss://sockets.example"])
    assert problem.headers[CONTENT_SECURITY_POLICY].startswith("default-src 'none';")
    assert problem.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_what_is_the_same_for_everybody_may_be_kept_for_a_minute(path: str) -> None:
    answer = ask(path)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, SHARED_CONTROL)


def test_what_the_console_is_told_is_asked_for_each_time() -> None:
    assert ask(CONSOLE_CONFIG).headers["Cache-Control"] == "no-cache"


# The command

APP = f"""
import asyncio, sys

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            print(kind, flush=True)
            await send({{"type": kind + ".complete"}})
            if kind == "lifespan.shutdown":
                return
    if scope["path"] != "{ALIVE}":
        print("asked", flush=True)
        # It ends when the body does, which is after the server was told to stop.
        while (await receive()).get("more_body"):
            pass
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""


class Server:
    """`python -m api` with a small app, and what it has said."""

    def __init__(self, folder: Path) -> None:
        (folder / "served.py").write_text(APP)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        command = [sys.executable, "-m", "api", "--app", "served:app", "--port", str(self.port), "--grace", "20"]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        self._said: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._said.append(line.strip())
                self._news.notify_all()

    def wait_for(self, word: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: word in self._said, PATIENCE_S), self._said

    def check(self) -> int:
        command = [sys.executable, "-m", "api", "--check", "--port", str(self.port)]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=PATIENCE_S).returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _until_alive(server: Server) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1)
        try:
            connection.request("GET", ALIVE)
            assert connection.getresponse().status == 200
        except OSError:
            assert time.monotonic() < deadline, "it does not listen"
            assert server.process.poll() is None, "it ended"
        else:
            return
        finally:
            connection.close()


def _lets_in(port: int) -> bool:
    with socket.socket() as knocking:
        return knocking.connect_ex(("127.0.0.1", port)) == 0


def test_told_to_stop_it_finishes_what_was_asked(server: Server) -> None:
    server.wait_for("lifespan.startup")
    _until_alive(server)
    asking = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    asking.putrequest("POST", "/slow")
    asking.putheader("Content-Length", "2")
    asking.endheaders(b"1")
    server.wait_for("asked")
    server.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while _lets_in(server.port):
        assert time.monotonic() < deadline, "it still lets new ones in"
    assert server.process.poll() is None
    asking.send(b"2")
    answer = asking.getresponse()
    assert (answer.status, answer.read()) == (200, b"ok")
    asking.close()
    server.wait_for("lifespan.shutdown")
    assert server.process.wait(PATIENCE_S) in {0, -signal.SIGTERM}


def test_the_check_says_whether_it_lives(server: Server) -> None:
    server.wait_for("lifespan.startup")
    _until_alive(server)
    assert server.check() == 0
    server.process.kill()
    server.process.wait()
    assert server.check() == 1
