"""The load tool: small runs of its benches against a whole system, and what it must notice."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from loadtest.bench_sustain import per_minute
from loadtest.clients import Receipts
from loadtest.fleet import Fleet
from loadtest.measure import LaneMetrics, percentile, spread
from loadtest.outcome import outcome_of
from loadtest.ramp import highest
from loadtest.report import finish
from loadtest.sender import Sent
from loadtest.teams import LANES, MIXED, Teams
from local.system import System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with System.running(tmp_path_factory.mktemp("load")) as system:
        yield system.folder / "run.json"


@pytest.fixture
def bench(run_file: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a bench as a user would; gives its only line of standard output."""

    def run(name: str, *options: str) -> dict[str, Any]:
        command = [sys.executable, "-m", f"loadtest.bench_{name}", "--run-file", run_file, "--artifacts", tmp_path]
        done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr
        (line,) = done.stdout.splitlines()
        result: dict[str, Any] = json.loads(line)
        assert json.loads((tmp_path / f"bench-{result['bench']}.json").read_text()) == result
        assert "<polyline" in (tmp_path / f"bench-{result['bench']}.html").read_text()
        return result

    return run


def test_latency_of_twenty_broadcasts_to_fifty_connected_people(bench: Callable[..., dict[str, Any]]) -> None:
    result = bench("latency", "--rate", "20", "--seconds", "1", "--teams", "2", "--team-size", "25")
    assert (result["accepted"], result["receipts"]) == (20, 500)
    assert (result["lost"], result["duplicates"], result["verify_clean"]) == (0, 0, True)
    spreads = ("accepted_to_first_post_ms", "queue_hop_ms", "accepted_to_received_ms", "answer_ms")
    for name in spreads:
        assert 0 < result[name]["p50"] <= result[name]["p95"] <= result[name]["p99"] <= result[name]["max"], name
    assert {"api", "postgres", "gateway", "queues", "lane_critical", "clients_0"} <= result["cpu_s"].keys()


def test_fan_out_to_everybody(bench: Callable[..., dict[str, Any]]) -> None:
    result = bench("fanout", "--n", "20,40", "--rounds", "1", "--ack", "0-0.1", "--settle", "0")
    assert [run["n"] for run in result["runs"]] == [20, 40]
    assert all(0 < run["p50_ms"] <= run["p99_ms"] <= run["last_ms"] for run in result["runs"])
    assert (result["lost"], result["duplicates"], result["verify_clean"]) == (0, 0, True)


def test_connecting(bench: Callable[..., dict[str, Any]]) -> None:
    result = bench("connect", "--n", "50", "--seconds", "0.1", "--idle-from", "0")
    assert (result["receipts"], result["lost"], result["duplicates"], result["waits"]) == (50, 0, 0, 0)
    assert result["connects_per_s"] > 0
    assert result["connect_to_subscribed_ms"]["p50"] > 0


def test_lanes(bench: Callable[..., dict[str, Any]]) -> None:
    result = bench("lanes", "--n", "2000", "--criticals", "3", "--flood-people", "100")
    assert result["idle"]["criticals"] == result["flooded"]["criticals"] == 3
    assert result["ratio_p95"] > 0
    assert (result["low_queued"], result["lost"], result["duplicates"]) == (2000, 0, 0)


def sent(broadcast_id: str, *people: str) -> Sent:
    return Sent(broadcast_id, "normal", due_at=9.9, created_at=10.0, answered_at=10.1, people=people)


def test_whoever_got_nothing_is_lost_and_whoever_was_not_meant_is_a_stray() -> None:
    receipts = Receipts({"b1": {"ann": 10.2, "bo": 10.1, "eve": 10.3}})
    outcome = outcome_of([sent("b1", "ann", "bo", "cy"), sent("b2", "ann")], receipts)
    assert (outcome.lost, outcome.strays) == (2, 1)
    assert outcome.first_ms == pytest.approx([100])
    assert outcome.last_at == 10.3


@pytest.mark.parametrize(("lost", "duplicates", "status"), [(0, 0, 0), (1, 0, 1), (0, 1, 1)])
def test_a_bench_fails_when_something_was_lost_or_doubled(
    lost: int, duplicates: int, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result: dict[str, Any] = {"bench": "x", "lost": lost, "duplicates": duplicates}
    assert finish(result, {"curve": [1.0, 2.0]}, tmp_path) == status
    assert json.loads(capsys.readouterr().out)["lost"] == lost


def test_the_fleet_counts_what_a_person_is_shown_twice() -> None:
    fleet = Fleet("ws://127.0.0.1:1/", ack_s=None, in_flight=1, per_s=100)
    for number in (0, 1, 0):
        fleet.note(number, "b1", 5.0 + number)
    assert (fleet.received, fleet.duplicates) == (2, 1)
    assert fleet.receipts() == {"b1": {"who": [0, 1], "at": [5.0, 6.0]}}
    assert fleet.receipts() == {}


def test_clients_keep_the_numbers_that_they_were_added_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two calls run side by side, and yet each person's receipts are theirs."""
    made: dict[str, int] = {}

    class Client:
        def __init__(self, _fleet: Fleet, number: int, user_id: str, _token: str) -> None:
            made[user_id] = number

        def start(self) -> None:
            pass

    monkeypatch.setattr("loadtest.fleet.FleetClient", Client)

    async def add() -> None:
        fleet = Fleet("ws://127.0.0.1:1/", ack_s=None, in_flight=10, per_s=500)
        await asyncio.gather(*(fleet.add([(name, "") for name in names]) for names in ("abc", "de")))

    asyncio.run(add())
    assert made == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert spread([3.0, 1.0]) == {"p50": 1.0, "p95": 3.0, "p99": 3.0, "max": 3.0}
    assert spread([]) == {"p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}


def test_metrics_are_those_since_the_start_and_of_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "lane-low.log"
    log.write_text('{"_aws":{},"QueueHop":[1.0]}\n')
    metrics = LaneMetrics(tmp_path)
    with log.open("a") as file:
        file.write('started\n{"_aws":{},"QueueHop":[2.0,3.0]}\n{"_aws":{},"Queue')
    (tmp_path / "lane-high.log").write_text('{"_aws":{},"QueueHop":[4.0]}\n')
    assert sorted(metrics.values("QueueHop")["QueueHop"]) == [2.0, 3.0, 4.0]
    assert metrics.values("QueueHop", lane="low") == {"QueueHop": [2.0, 3.0]}


def test_mixed_orders_bring_every_lane_to_every_wedding() -> None:
    teams = Teams(count=4, size=3)
    orders = teams.orders(rate=16, seconds=1, priority=MIXED)
    assert [one.after_s for one in orders[:3]] == [0, 1 / 16, 2 / 16]
    pairs = {(one.body["audience"]["wedding_id"], one.body["priority"]) for one in orders}
    assert pairs == {(wedding, lane) for wedding in teams.weddings for lane in LANES}
    assert all(len(one.people) == 3 for one in orders)


def figures(rate: float, most: float) -> SimpleNamespace:
    received = {"p50": 1.0, "p95": 2.0}
    kept = min(rate, most)
    common = {"refused": {}, "lost": 0, "drained_s": 0.0, "cpu_cores": 1.0}
    return SimpleNamespace(
        figures={
            "achieved_per_s": kept,
            "accepted_to_received_ms": received,
            "accepted_to_first_post_ms": received,
            **common,
        }
    )


@pytest.mark.parametrize("most", [11.0, 73.0, 160.0])
def test_the_ramp_comes_close_to_the_highest_rate_from_below(most: float) -> None:
    rate, run, steps = highest(lambda rate, _seconds: figures(rate, most), 10)  # type: ignore[arg-type,return-value]
    assert 0.85 * most <= rate * 0.95 <= most
    assert run.figures["achieved_per_s"] == min(rate, most)
    assert any(not step["sustained"] for step in steps)


def test_a_machine_that_cannot_even_start_says_so() -> None:
    with pytest.raises(SystemExit, match="does not sustain 10"):
        highest(lambda rate, _seconds: figures(rate, 1), 10)  # type: ignore[arg-type,return-value]


def test_minutes_are_counted_whole() -> None:
    assert per_minute([0.5 * number for number in range(301)]) == [120, 120]
    assert per_minute([float(number) for number in range(31)]) == [62]
    assert per_minute([]) == []


@pytest.mark.parametrize(
    ("target", "variables"),
    [
        ("bench-latency", "RATE=1 SECONDS=2"),
        ("bench-sustain", "RATE=1 SECONDS=2"),
        ("bench-fanout", "N=3"),
        ("bench-connect", "N=3 RATE=1 SECONDS=2"),
        ("bench-lanes", "N=3"),
        ("bench-servers", "N=3"),
        ("bench-post", "SECONDS=2"),
    ],
)
def test_every_bench_takes_what_make_passes_to_it(target: str, variables: str) -> None:
    root = Path(__file__).parents[2]
    dry = ["make", "--no-print-directory", "-n", target, *variables.split()]
    printed = subprocess.run(dry, cwd=root, capture_output=True, text=True, check=True).stdout
    (command,) = [line for line in printed.splitlines() if "loadtest." in line]
    module = command.split("-m ")[1].split()[0]
    helped = [sys.executable, "-m", module, "--help"]
    known = subprocess.run(helped, cwd=root, capture_output=True, text=True, check=True).stdout
    passed = re.findall(r"--[a-z]+", command)
    assert len(passed) == len(variables.split())
    assert all(re.search(rf"{option}\b", known) for option in passed)
