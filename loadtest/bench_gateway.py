"""`python -m loadtest.bench_gateway`: what the gateway costs, with real sockets; ends with one line of JSON.

Starts a gateway without functions, connects a fleet, posts to everybody over keep-alive connections, then lets it
idle. CPU figures are the gateway's own, so that they hold on a busy machine too.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import uvloop
from picows import WSFrame

from loadtest.proc_usage import cpu_s, resident_kb
from loadtest.ws_fleet import CountingClient, Fleet

SIGNED = (
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260912/us-east-1/execute-api/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0a' * 32}\r\nX-Amz-Date: 20260912T101500Z\r\n"
)


class Poster(asyncio.Protocol):
    """One keep-alive connection that posts what is left in a shared queue, one request at a time."""

    def __init__(self, requests: deque[bytes], done: asyncio.Event, left: list[int]) -> None:
        self._requests = requests
        self._done = done
        self._left = left
        self._transport: asyncio.Transport | None = None
        self.sent = 0
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Count the answer, send the next."""
        if data.startswith(b"HTTP/1.1 200"):
            self.sent += 1
        else:
            self.refused += 1
        self._left[0] -= 1
        if self._left[0] == 0:
            self._done.set()
        self._next()

    def _next(self) -> None:
        if self._requests and self._transport is not None:
            self._transport.write(self._requests.popleft())


def start_gateway(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start a gateway without limits on rates; return it and its ready line."""
    unlimited = dict.fromkeys(("connects_per_s", "connects_burst", "requests_per_s", "requests_burst"), 1_000_000_000)
    config = {"limits": unlimited, "routes": {"whoami": {"function": "loadtest.whoami.handler"}}, "workers": 1}
    path = folder / "gateway.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "gateway", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


async def learn_ids(fleet: Fleet, timeout_s: float) -> list[str]:
    """Ask the gateway, through a route, for every client's connection id."""
    ids: list[str] = []

    def keep(_client: CountingClient, frame: WSFrame) -> None:
        ids.append(frame.get_payload_as_ascii_text())

    fleet.listen(keep)
    before = fleet.received
    fleet.send_all(b'{"action":"whoami"}')
    await fleet.wait_for(before + len(fleet.clients), timeout_s)
    fleet.listen(None)
    return ids


def request(connection_id: str, port: int, body: bytes) -> bytes:
    """Return one signed-looking POST."""
    wire_id = connection_id.replace("=", "%3D")
    head = (
        f"POST /local/@connections/{wire_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{SIGNED}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def post_all(requests: list[bytes], port: int, connections: int) -> tuple[int, int, float]:
    """Post every request; return how many were sent, how many refused, and the seconds."""
    queue, done, left = deque(requests), asyncio.Event(), [len(requests)]
    loop = asyncio.get_running_loop()
    start_s = time.perf_counter()
    pairs = [
        await loop.create_connection(lambda: Poster(queue, done, left), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.wait_for(done.wait(), 120)
    took_s = time.perf_counter() - start_s
    for transport, _ in pairs:
        transport.close()
    return sum(p.sent for _, p in pairs), sum(p.refused for _, p in pairs), took_s


async def measure(ready: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """Run every part against a started gateway."""
    pid, port = ready["pid"], ready["callback_port"]
    count: int = arguments.connections
    fleet = Fleet(f"ws://127.0.0.1:{ready['ws_port']}/")
    before_kb, before_cpu_s = resident_kb(pid), cpu_s(pid)
    connect_s = await fleet.connect(count)
    handshake_cpu_s, after_kb = cpu_s(pid) - before_cpu_s, resident_kb(pid)
    ids = await learn_ids(fleet, 60)
    body = b'{"type":"event"}'.ljust(300)
    requests = [request(one, port, body) for one in ids * arguments.rounds]
    received, post_cpu_s = fleet.received, cpu_s(pid)
    sent, refused, post_s = await post_all(requests, port, arguments.posters)
    await fleet.wait_for(received + sent, 30)
    post_cpu_s = cpu_s(pid) - post_cpu_s
    idle_cpu_s = cpu_s(pid)
    await asyncio.sleep(arguments.idle_s)
    idle_cpu_s = cpu_s(pid) - idle_cpu_s
    status = json.loads(urlopen(f"http://127.0.0.1:{port}/_status").read())  # noqa: ASYNC210 - our own
    await fleet.disconnect()
    return {
        "connections": count,
        "connects_per_s": round(count / connect_s),
        "connects_per_cpu_s": round(count / max(handshake_cpu_s, 0.01)),
        "kb_per_connection": round((after_kb - before_kb) / count, 1),
        "posts": sent,
        "refused": refused,
        "lost": sent - (fleet.received - received),
        "posts_per_s": round(len(requests) / post_s),
        "posts_per_cpu_s": round(len(requests) / max(post_cpu_s, 0.01)),
        "cpu_us_per_post": round(post_cpu_s / len(requests) * 1e6, 1),
        "idle_cpu_percent": round(idle_cpu_s / arguments.idle_s * 100, 2),
        "rss_mb": round(status["rss_bytes"] / 2**20, 1),
        "loop_lag_worst_ms": status["loop_lag_worst_ms"],
    }


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", dest="connections", type=int, default=5000, help="connections")
    parser.add_argument("--rounds", type=int, default=10, help="posts to each connection")
    parser.add_argument("--posters", type=int, default=64, help="keep-alive connections that post")
    parser.add_argument("--idle-s", type=float, default=5.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, ready = start_gateway(Path(folder))
        try:
            print(json.dumps(uvloop.run(measure(ready, arguments))))
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    main()
