"""`python -m gateway`: its ready line, its exit codes, and what it leaves behind."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gateway.harness import ROUTES, STUBS, UPGRADE, Records, alive, run, until

ROOT = Path(__file__).resolve().parents[3]


class Gateways:
    """Starts gateway processes and ends those a test left."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, **fields: Any) -> subprocess.Popen[bytes]:
        path = self._folder / f"gateway{len(self.started)}.json"
        path.write_text(json.dumps({"routes": ROUTES, "workers": 2, **fields}), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "--config", str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=10)


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Gateways]:
    started = Gateways(tmp_path)
    yield started
    started.close()


def _ready(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, (process.communicate(timeout=10)[1] or b"").decode()
    ready: dict[str, Any] = json.loads(line)
    return ready


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _upgraded(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(UPGRADE)
    assert connection.recv(4096).startswith(b"HTTP/1.1 101")
    return connection


def test_it_says_when_it_is_ready_and_stops_cleanly_on_sigterm(gateways: Gateways, records: Records) -> None:
    process = gateways.start(worker_env=records.env)
    ready = _ready(process)
    assert ready["ready"] is True
    assert ready["pid"] == process.pid
    assert ready["max_connections"] > 100
    workers = _children(process.pid)
    assert len(workers) == 2
    with _upgraded(ready["ws_port"]) as connection, socket.create_connection(("127.0.0.1", ready["callback_port"])):
        process.send_signal(signal.SIGTERM)
        assert connection.recv(100)[:4] == b"\x88\x0c\x03\xe9"  # a close frame of 12 bytes: 1001, "Going away"
        out, _ = process.communicate(timeout=15)
    assert process.returncode == 0
    assert out == b""
    assert len(records.contexts("DISCONNECT")) == 1
    assert not any(alive(worker) for worker in workers)


def test_ctrl_c_stops_it_too_and_its_workers_do_not_mind(gateways: Gateways) -> None:
    process = gateways.start()
    _ready(process)
    for pid in [*_children(process.pid), process.pid]:  # as a terminal does
        os.kill(pid, signal.SIGINT)
    _, err = process.communicate(timeout=15)
    assert process.returncode == 0
    assert b"Traceback" not in err


@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_with_a_gateway_that_is_killed(gateways: Gateways, *, busy: bool) -> None:
    async def scenario() -> None:
        process = gateways.start()
        ready = _ready(process)
        workers = _children(process.pid)
        with _upgraded(ready["ws_port"]) as connection:
            if busy:
                text = b'{"action":"sleep","seconds":60}'
                connection.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
                connection.sendall(bytes([0x81, 0x80 | 17, 0, 0, 0, 0]) + b'{"action":"ping"}')
                assert connection.recv(100).endswith(b'{"type":"pong"}')  # so the sleep has begun or is queued
            process.kill()
            await until(lambda: not any(alive(worker) for worker in workers), "the workers have gone")

    run(scenario())


@pytest.mark.parametrize("field", ["ws_port", "callback_port"])
def test_a_taken_port_is_exit_code_78_and_names_the_variable(gateways: Gateways, field: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = gateways.start(**{field: port, f"{field}_variable": "MY_PORT_VARIABLE"})
        _, err = process.communicate(timeout=15)
    assert process.returncode == 78
    assert f"127.0.0.1:{port}" in err.decode()
    assert "MY_PORT_VARIABLE" in err.decode()
    assert b"Traceback" not in err


def test_a_wrong_configuration_is_exit_code_78(gateways: Gateways) -> None:
    process = gateways.start(limits={"frame_byte": 1})
    _, err = process.communicate(timeout=15)
    assert process.returncode == 78
    assert "limits.frame_byte is not known" in err.decode()


def test_a_module_that_cannot_be_preloaded_is_told(gateways: Gateways) -> None:
    process = gateways.start(preload=["no_such_module"])
    _, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "no_such_module" in err.decode()


def test_what_functions_print_reaches_the_gateways_output(gateways: Gateways) -> None:
    process = gateways.start(routes={"$default": {"function": f"{STUBS}.fail"}})
    ready = _ready(process)
    with _upgraded(ready["ws_port"]) as connection:
        connection.sendall(bytes([0x81, 0x81, 0, 0, 0, 0]) + b"x")
        assert b"Internal server error" in connection.recv(1000)
    process.terminate()
    _, err = process.communicate(timeout=15)
    assert "the stub fails on purpose" in err.decode()
