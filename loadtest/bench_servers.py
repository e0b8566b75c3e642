"""`python -m loadtest.bench_servers`: picows, websockets and uvicorn side by side; ends with one line of JSON.

Each server runs in a process of its own on uvloop and does the same least thing: it keeps its connections, and when
one client says `go` it sends one message of 300 bytes to all. Costs are the server's own CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import picows
import uvicorn
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from loadtest.proc_usage import cpu_s, resident_kb
from loadtest.ws_fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MESSAGE = '{"type":"event","data":"' + "x" * 274 + '"}'
READY = "ready"


class _PicowsClient(picows.WSListener):
    """One connection of the picows server."""

    everybody: set[picows.WSTransport] = set()  # noqa: RUF012 - shared on purpose: this is the fan-out's list

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self.everybody.add(transport)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self.everybody.discard(transport)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT:
            message = MESSAGE.encode()
            for one in self.everybody:
                one.send(picows.WSMsgType.TEXT, message)
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.disconnect()


async def serve_picows(sock: socket.socket) -> None:
    """Serve with picows."""
    server = await picows.ws_create_server(
        lambda _request: _PicowsClient(), sock=sock, read_buffer_init_size=2048, backlog=4096
    )
    print(READY, flush=True)
    await server.serve_forever()


async def serve_websockets(sock: socket.socket) -> None:
    """Serve with websockets' asyncio server."""
    everybody: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        everybody.add(connection)
        try:
            async for _ in connection:
                broadcast(everybody, MESSAGE)
        finally:
            everybody.discard(connection)

    async with serve(handle, sock=sock, compression=None, ping_interval=None, backlog=4096):
        print(READY, flush=True)
        await asyncio.get_running_loop().create_future()


async def serve_uvicorn(sock: socket.socket) -> None:
    """Serve a bare ASGI application with uvicorn and its websockets protocol."""
    everybody: set[Callable[[dict[str, Any]], Awaitable[None]]] = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        everybody.add(send)
        try:
            while (await receive())["type"] == "websocket.receive":
                for one in list(everybody):
                    await one({"type": "websocket.send", "text": MESSAGE})
        finally:
            everybody.discard(send)

    config = uvicorn.Config(
        app,
        log_level="error",
        ws="websockets-sansio",
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        backlog=4096,
    )
    server = uvicorn.Server(config)
    print(READY, flush=True)
    await server.serve(sockets=[sock])


SERVERS = {"picows": serve_picows, "websockets": serve_websockets, "uvicorn": serve_uvicorn}


def run_server(name: str) -> None:
    """Be the server: take the listening socket on standard input."""
    sock = socket.socket(fileno=0)
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(SERVERS[name](sock))


async def measure(port: int, process: subprocess.Popen[bytes], arguments: argparse.Namespace) -> dict[str, float]:
    """Measure one server that listens on `port`; ends it."""
    pid = process.pid
    count: int = arguments.connections
    fleet = Fleet(f"ws://127.0.0.1:{port}/")
    await fleet.connect(50)  # warm: imports, first allocations
    before_kb, before_s = resident_kb(pid), cpu_s(pid)
    connect_s = await fleet.connect(count - 50)
    handshake_cpu_s, after_kb = cpu_s(pid) - before_s, resident_kb(pid)
    costs_ms, receipts_ms, lost = [], [], 0
    for _ in range(arguments.rounds):
        expected, before_s, start_s = fleet.received + count, cpu_s(pid), time.perf_counter()
        fleet.transports[0].send(picows.WSMsgType.TEXT, b"go")
        await fleet.wait_for(expected, 30)
        lost += expected - fleet.received
        costs_ms.append((cpu_s(pid) - before_s) * 1000)
        receipts_ms.append((fleet.last_at_s - start_s) * 1000)
    process.kill()  # before its clients leave: five thousand goodbyes are nobody's business
    await fleet.disconnect()
    return {
        "handshakes_per_s": round((count - 50) / connect_s),
        "handshakes_per_cpu_s": round((count - 50) / handshake_cpu_s),
        "kb_per_connection": round((after_kb - before_kb) / (count - 50), 1),
        "fan_out_cpu_ms": round(statistics.median(costs_ms), 1),
        "last_receipt_ms": round(statistics.median(receipts_ms), 1),
        "lost": lost,
    }


def measure_server(name: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Start one server, measure it, end it."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as sock:
        port = sock.getsockname()[1]
        command = [sys.executable, "-m", "loadtest.bench_servers", "--serve", name]
        process = subprocess.Popen(command, stdin=sock.fileno(), stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if process.stdout.readline().decode().strip() != READY:
            raise SystemExit(f"{name} did not start")
        return uvloop.run(measure(port, process, arguments))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", dest="connections", type=int, default=5000, help="connections")
    parser.add_argument("--rounds", type=int, default=7, help="fan-outs per server; the median counts")
    parser.add_argument("--serve", choices=sorted(SERVERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        run_server(arguments.serve)
        return
    results = {name: measure_server(name, arguments) for name in SERVERS}
    for name, figures in results.items():
        print(f"{name:11} " + "  ".join(f"{key} {value:g}" for key, value in figures.items()))
    print(json.dumps({"connections": arguments.connections, **results}))


if __name__ == "__main__":
    main()
