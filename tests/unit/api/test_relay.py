"""The relay loop goes on, whatever a round does, and tells how it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from api import relay as module
from api.relay import Relay
from carillon import testing
from carillon.errors import OutageError
from carillon.model import Connection, Recipient, Role
from carillon.names import Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carillon.ports import Ports


class Rounds:
    """Counts rounds, and fails some of them."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    def __call__(self, *_: Any) -> dict[str, int]:
        self.count += 1
        if self.error is not None:
            raise self.error
        return {}


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    rounds = Rounds()
    monkeypatch.setattr(module, "relay", rounds)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.01)
    return rounds


def test_open_sockets_are_counted_once_a_minute(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the operator, who sees them beside what was expected, and for the scaler that reacts to them."""
    world, now = testing.World(), [1_000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    world.people = {"U1": Recipient("U1", Role.GUEST, "UTC")}
    ports = testing.ports(world)
    ports.connections.pend(Connection("c1", "U1"), testing.START, testing.START + timedelta(hours=1))
    ports.connections.activate("c1")
    loop = Relay(ports, 0.005)
    for later, counted in ((0, 1), (59, 1), (60, 2)):
        now[0] = 1_000.0 + later
        loop._round()
        assert world.counted[Metric.CONNECTIONS_OPEN] == counted


@pytest.fixture
def loop(rounds: Rounds) -> Iterator[Relay]:
    ports: Ports = testing.ports(testing.World())
    loop = Relay(ports, 0.005)
    loop.start()
    yield loop
    loop.stop()


def wait_for(condition: Callable[[], bool], loop: Relay) -> None:
    for _ in range(2_000):
        if condition():
            return
        loop._thread.join(0.005)
    raise AssertionError("it never came true")


def test_it_goes_round_and_says_that_it_is_well(rounds: Rounds, loop: Relay) -> None:
    wait_for(lambda: rounds.count > 3, loop)
    assert loop.state() is None


@pytest.mark.parametrize("error", [OutageError("the database is away"), ZeroDivisionError("a bug")])
def test_a_failed_round_is_told_and_the_next_one_comes(rounds: Rounds, loop: Relay, error: Exception) -> None:
    rounds.error = error
    wait_for(lambda: loop.state() is not None, loop)
    told = loop.state() or ""
    assert "the database is away" in told or "ZeroDivisionError" in told
    rounds.error = None
    wait_for(lambda: loop.state() is None, loop)


def test_it_stops_and_says_so(rounds: Rounds, loop: Relay) -> None:
    wait_for(lambda: rounds.count > 0, loop)
    loop.stop()
    assert loop.state() == "the relay loop is not running"


def test_a_loop_that_hangs_is_found_out(rounds: Rounds, loop: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    loop.stop()
    monkeypatch.setattr(loop._thread, "is_alive", lambda: True)
    loop._came_round_at -= 60
    assert "has not come round for 6" in (loop.state() or "")


def test_upkeep_comes_with_the_first_round_and_then_hourly(
    rounds: Rounds, loop: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    purges: list[Any] = []
    monkeypatch.setattr(type(loop._ports.upkeep), "purge", lambda _, now: purges.append(now))
    loop._next_upkeep_at = 0.0
    seen = rounds.count
    wait_for(lambda: rounds.count > seen + 3, loop)
    assert len(purges) == 1
