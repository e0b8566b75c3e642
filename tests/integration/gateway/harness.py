"""A gateway on free ports, and clients for both of its listeners."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as ws_connect

from gateway.clock import Clock
from gateway.config import from_document
from gateway.server import Gateway

STUBS = "tests.integration.gateway.stub_functions"
DEADLINE_S = 20.0
UNKNOWN_ID = "AAAAAAAAAAAAAAA="
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260912/us-east-1/execute-api/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=" + "0a" * 32,
    "X-Amz-Date": "20260912T101500Z",
}

ROUTES = {
    "$connect": {"function": f"{STUBS}.connect"},
    "$disconnect": {"function": f"{STUBS}.disconnect"},
    "$default": {"function": f"{STUBS}.whole_event"},
    "ping": {"mock": {"body": {"type": "pong"}}},
    **{
        name: {"function": f"{STUBS}.{name}"}
        for name in [
            "body",
            "die",
            "echo_slowly_when_odd",
            "fail",
            "large_body",
            "no_status",
            "not_json",
            "nothing",
            "record",
            "sleep",
            "wait_for_file",
        ]
    },
}


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run one test's coroutine on the loop the gateway uses, with a deadline."""

    async def bounded() -> None:
        await asyncio.wait_for(scenario, DEADLINE_S)

    uvloop.run(bounded())


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait until `condition()` is true and return what it gave; fail after ten seconds."""
    give_up = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < give_up, f"never happened: {what}"
        await asyncio.sleep(0.005)
    return found


@asynccontextmanager
async def serving(*, clock: Clock | None = None, **fields: Any) -> AsyncIterator[Gateway]:
    """A started gateway with the stubs as its functions; `fields` replace those of its configuration."""
    document = {"routes": ROUTES, "workers": 1, "faults": True, "shutdown_s": 1.0, **fields}
    gateway = Gateway(from_document(document), clock=clock)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def client(gateway: Gateway, path: str = "/", **options: Any) -> ws_connect:
    """A WebSocket client that sends no pings of its own."""
    options = {
        "ping_interval": None,
        "compression": None,
        "max_size": 2**21,
        "max_queue": None,
        "proxy": None,
        **options,
    }
    return ws_connect(f"ws://127.0.0.1:{gateway.ws_port}{path}", **options)


async def id_of(ws: ClientConnection) -> str:
    """Ask the gateway for the connection's id (the default route sends its event back)."""
    await ws.send("who am I")
    event = json.loads(await ws.recv())
    return str(event["requestContext"]["connectionId"])


class Answer:
    """An HTTP answer."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])

    def json(self) -> Any:
        return json.loads(self.body)


class Http:
    """A keep-alive connection to the callback listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (SIGNED if headers is None else headers).items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def read(self) -> Answer:
        status_line = await self.reader.readuntil(b"\r\n")
        headers = {}
        while (line := (await self.reader.readuntil(b"\r\n")).decode().strip()) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status_line.split()[1]), headers, body)

    async def ask(self, method: str, path: str, body: bytes = b"", headers: Any = None) -> Answer:
        self.write(method, path, body, headers)
        return await self.read()

    async def post(self, connection_id: str, body: bytes) -> Answer:
        return await self.ask("POST", f"/local/@connections/{quote(connection_id, safe='')}", body)


@asynccontextmanager
async def http(gateway: Gateway) -> AsyncIterator[Http]:
    """A connection to the callback listener."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.callback_port)
    try:
        yield Http(reader, writer)
    finally:
        writer.close()


class Records:
    """The events that recording stubs have seen."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def env(self) -> dict[str, str]:
        return {"RECORD_FILE": str(self._path)}

    def all(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        return [json.loads(line) for line in self._path.read_text(encoding="utf-8").splitlines()]

    def contexts(self, event_type: str) -> list[dict[str, Any]]:
        contexts = [event["requestContext"] for event in self.all()]
        return [context for context in contexts if context["eventType"] == event_type]


def alive(pid: int) -> bool:
    """Tell whether a process still runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def mask(payload: bytes, key: bytes = b"\1\2\3\4") -> bytes:
    return bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def frame(opcode: int, payload: bytes, *, fin: bool = True, reserved: int = 0) -> bytes:
    """One masked client frame, also an illegal one."""
    key = os.urandom(4)
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if fin else 0) | reserved | opcode]) + length + key + mask(payload, key)


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class RawClient:
    """A WebSocket client that sends exactly the bytes a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def upgrade(self, request: bytes = UPGRADE) -> bytes:
        self.writer.write(request)
        return await self.reader.readuntil(b"\r\n\r\n")

    def send(self, data: bytes) -> None:
        """Write, unless the server has already ended the connection."""
        if not self.writer.is_closing():
            self.writer.write(data)

    async def read_frame(self) -> tuple[int, bool, bytes]:
        """Return opcode, FIN and payload of the next server frame."""
        first, second = await self.reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, bool(first & 0x80), await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Read to the end of the socket, however it ends."""
        data = b""
        try:
            while more := await self.reader.read(65536):
                data += more
        except (ConnectionResetError, BrokenPipeError):
            pass  # the server was quicker to end than we to write
        return data

    async def close_code(self) -> int:
        """Read on to the close frame; answer it; return its code."""
        while True:
            opcode, _, payload = await self.read_frame()
            if opcode == 8:
                self.send(frame(8, payload))
                return int.from_bytes(payload[:2], "big")


@asynccontextmanager
async def raw(gateway: Gateway) -> AsyncIterator[RawClient]:
    """A plain socket to the WebSocket listener."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ws_port)
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
