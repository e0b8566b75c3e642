"""`python -m local` as a user meets it: what it says, how it ends, what it leaves."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from local.data_dir import DataDir
from local.postgres import Postgres
from local.processes import wait_until
from tests.integration.local.test_stores import ended

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
STOP_WITHIN_S = 10.0
"""What the README promises for Ctrl-C."""


class Run:
    """One `python -m local`."""

    def __init__(self, folder: Path, *arguments: str, **env: str) -> None:
        self.folder = folder
        self.output_path = folder.parent / f"{folder.name}.{time.monotonic_ns()}.out"
        free = {"CARILLON_API_PORT": "0", "CARILLON_WS_PORT": "0", "CARILLON_CALLBACK_PORT": "0"}
        with self.output_path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local", *arguments],
                cwd=ROOT,
                env=os.environ | free | {"CARILLON_DATA_DIR": str(folder)} | env,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def output(self) -> str:
        return self.output_path.read_text()

    def wait_ready(self) -> dict[str, Any]:
        """What `run.json` tells once everything is ready."""
        wait_until(self._settled, timeout_s=60, what="the system to start")
        assert "everything is ready" in self.output, self.output
        told: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return told

    def _settled(self) -> bool:
        return "everything is ready" in self.output or self.process.poll() is not None

    def exit_status(self) -> int:
        return self.process.wait(60)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "my data"


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """The runs a test starts; whatever still runs at its end is ended."""
    started: list[Run] = []
    yield started
    for run in started:
        run.end()


def status_of(url: str) -> int:
    host, path = re.fullmatch(r"http://([^/]+)(/.*)", url).groups()  # type: ignore[union-attr]
    connection = http.client.HTTPConnection(host, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def all_pids(told: dict[str, Any], folder: Path) -> list[int]:
    """The supervisor's children and the lanes' workers."""
    workers = [json.loads(path.read_text())["worker_pids"] for path in folder.glob("mapping-*.json")]
    return [*told["pids"].values(), *(pid for pids in workers for pid in pids)]


@pytest.mark.parametrize("variable", ["CARILLON_API_PORT", "CARILLON_WS_PORT", "CARILLON_CALLBACK_PORT"])
def test_a_taken_port_names_its_variable(variable: str, data_dir: Path, runs: list[Run]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run = Run(data_dir, **{variable: str(taken.getsockname()[1])})
        runs.append(run)
        assert run.exit_status() == 78
    assert f"set {variable} to a free port" in run.output
    assert "Traceback" not in run.output


def test_a_wrong_setting_names_its_variable(data_dir: Path, runs: list[Run]) -> None:
    run = Run(data_dir, CARILLON_API_PORT="http")
    runs.append(run)
    assert run.exit_status() == 78
    assert "CARILLON_API_PORT='http' is not a whole number" in run.output


def test_a_missing_program_names_its_variable(data_dir: Path, runs: list[Run]) -> None:
    run = Run(data_dir, CARILLON_VALKEY_BIN="/nowhere/valkey-server")
    runs.append(run)
    assert run.exit_status() == 78
    assert "CARILLON_VALKEY_BIN" in run.output
    assert "Traceback" not in run.output


def test_fresh_refuses_a_folder_that_is_not_ours(data_dir: Path, runs: list[Run]) -> None:
    data_dir.mkdir()
    (data_dir / "thesis.txt").write_text("my life's work")
    run = Run(data_dir, "--fresh")
    runs.append(run)
    assert run.exit_status() == 78
    assert (data_dir / "thesis.txt").read_text() == "my life's work"


def test_it_starts_afresh_tells_where_it_is_and_stops_with_everything(data_dir: Path, runs: list[Run]) -> None:
    DataDir(data_dir).release()
    leftover = data_dir / "postgres" / "data" / "PG_VERSION"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("of an earlier run that fresh drops")

    run = Run(data_dir, "--fresh")
    runs.append(run)
    told = run.wait_ready()
    assert told["api_url"] in run.output
    assert told["ws_url"] in run.output
    assert status_of(told["api_url"] + "/readyz") == 200
    assert stat.S_IMODE((data_dir / "run.json").stat().st_mode) == 0o600
    pids = all_pids(told, data_dir)
    assert len(pids) > len(told["pids"]) >= 10

    second = Run(data_dir)
    runs.append(second)
    assert second.exit_status() == 78
    assert "CARILLON_DATA_DIR" in second.output

    began = time.monotonic()
    run.process.send_signal(signal.SIGINT)
    assert run.exit_status() == 0
    assert time.monotonic() - began < STOP_WITHIN_S
    assert "stopped everything" in run.output
    assert [pid for pid in pids if not ended(pid)] == []
    assert not (data_dir / "run.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_nothing_outlives_a_killed_run_but_the_data(data_dir: Path, runs: list[Run]) -> None:
    first = Run(data_dir)
    runs.append(first)
    told = first.wait_ready()
    with psycopg.connect(told["database_url"]) as connection:
        connection.execute("CREATE TABLE kept (word text)")
    pids = all_pids(told, data_dir)
    first.process.kill()
    for pid in pids:
        wait_until(partial(ended, pid), timeout_s=10, what=f"the end of {pid}")

    store = Postgres(data_dir / "postgres", durable=False)
    store.start()
    try:
        assert store.dsn == told["database_url"]
        with psycopg.connect(store.dsn) as connection:
            assert connection.execute("SELECT to_regclass('kept')").fetchone() == ("kept",)
    finally:
        store.stop()
