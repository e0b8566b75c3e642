"""The supervisor with components that are no processes, on a clock that the test moves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from local.errors import LocalError, NotReadyError
from local.processes import wait_until
from local.supervisor import MAX_RESTARTS, State, Supervisor, Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.processes import Child


@dataclass
class FakeChild:
    pid: int
    alive: bool = True
    exit_status: int | None = None

    def kill(self) -> None:
        self.alive = False
        self.exit_status = -9


@dataclass
class FakeComponent:
    """Notes what is done to it in a list that all share."""

    name: str
    done: list[str] = field(default_factory=list)
    broken: bool = False
    running: FakeChild | None = None

    @property
    def child(self) -> Child | None:
        return cast("Child | None", self.running)

    def start(self) -> None:
        self.done.append(f"start {self.name}")
        if self.broken:
            raise NotReadyError(f"{self.name} is broken")
        self.running = FakeChild(pid=len(self.done))

    def stop(self) -> None:
        self.done.append(f"stop {self.name}")
        self.running = None

    def kill(self) -> None:
        self.running = None

    def crash(self) -> None:
        assert self.running is not None
        self.running.kill()


class House:
    """A store and a door under supervision, with a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.done: list[str] = []
        self.changes: list[tuple[str, State]] = []
        self.store = FakeComponent("store", self.done)
        self.door = FakeComponent("door", self.done)
        units = [
            Unit("door", self.door, start_group=1, stop_group=1),
            Unit("store", self.store, start_group=0, stop_group=0),
        ]
        self.supervisor = Supervisor(units, on_change=self.note, clock=lambda: self.now)

    def note(self, name: str, state: State, _detail: str) -> None:
        self.changes.append((name, state))

    def state(self, name: str) -> State:
        return self.supervisor.units[name].state

    def crash_and_wait(self) -> None:
        """Let the store crash, be noticed, and be started again as often as it takes."""
        self.store.crash()
        wait_until(lambda: self.state("store") is not State.READY, timeout_s=5, what="the crash to be noticed")
        self.now += 6
        settled = {State.READY, State.GIVEN_UP}
        wait_until(lambda: self.state("store") in settled, timeout_s=5, what="the store to be back")


@pytest.fixture
def house() -> House:
    return House()


def test_all_start_in_order_and_stop_in_the_reverse(house: House) -> None:
    house.supervisor.start()
    house.supervisor.stop()
    assert house.done == ["start store", "start door", "stop door", "stop store"]


def test_what_started_is_stopped_when_another_does_not_start(house: House) -> None:
    house.door.broken = True
    with pytest.raises(LocalError, match="door is broken"):
        house.supervisor.start()
    assert house.done[-1] == "stop store"
    assert house.store.running is None


def test_a_crashed_component_is_started_again(house: House) -> None:
    house.supervisor.start()
    house.crash_and_wait()
    assert house.done.count("start store") == 2
    assert house.done.count("start door") == 1
    assert ("store", State.CRASHED) in house.changes
    house.supervisor.stop()


def test_it_waits_longer_after_each_crash(house: House) -> None:
    house.supervisor.start()
    pauses = []
    for _ in range(3):
        house.store.crash()
        wait_until(lambda: house.state("store") is State.CRASHED, timeout_s=5, what="the crash to be noticed")
        pauses.append(house.supervisor.units["store"].due_at - house.now)
        house.now += 6
        wait_until(lambda: house.state("store") is State.READY, timeout_s=5, what="the store to be back")
    assert pauses == pytest.approx([0.1, 0.2, 0.4])
    house.supervisor.stop()


def test_one_that_crashes_again_and_again_is_given_up(house: House) -> None:
    house.supervisor.start()
    for _ in range(MAX_RESTARTS + 1):
        assert house.state("store") is State.READY
        house.crash_and_wait()
    assert house.state("store") is State.GIVEN_UP
    assert house.state("door") is State.READY
    house.supervisor.stop()


def test_crashes_of_long_ago_are_forgotten(house: House) -> None:
    house.supervisor.start()
    for _ in range(MAX_RESTARTS + 3):
        house.crash_and_wait()
        house.now += 60
    assert house.state("store") is State.READY
    house.supervisor.stop()


def test_one_that_does_not_start_again_is_tried_again(house: House) -> None:
    house.supervisor.start()
    house.store.broken = True
    house.store.crash()
    wait_until(lambda: house.state("store") is State.CRASHED, timeout_s=5, what="the crash to be noticed")
    house.now += 6
    wait_until(lambda: house.done.count("start store") >= 2, timeout_s=5, what="a second try")
    house.store.broken = False
    wait_until(lambda: advance(house), timeout_s=5, what="the store to be back")
    house.supervisor.stop()


def advance(house: House) -> bool:
    house.now += 1
    return house.state("store") is State.READY


def test_a_held_component_stays_down_until_it_is_restarted(house: House) -> None:
    house.supervisor.start()
    house.supervisor.kill("store", hold=True)
    house.now += 600
    house.supervisor.look()
    assert house.state("store") is State.HELD
    assert house.done.count("start store") == 1
    house.supervisor.restart("store")
    assert house.state("store") is State.READY
    house.supervisor.stop()


def test_stopping_does_not_wait_for_one_that_is_starting() -> None:
    class Slow(FakeComponent):
        def start(self) -> None:
            self.running = FakeChild(pid=1)
            began.set()
            wait_until(self._gone, timeout_s=5, what="its end")
            raise NotReadyError("it ended at its start")

        def _gone(self) -> bool:
            return self.running is not None and not self.running.alive

    began = threading.Event()
    supervisor = Supervisor([Unit("slow", Slow("slow"), start_group=0, stop_group=0)])
    errors: list[BaseException] = []
    starting = threading.Thread(target=catching(supervisor.start, errors))
    starting.start()
    assert began.wait(5)
    supervisor.stop()
    starting.join(5)
    assert not starting.is_alive()
    assert [str(error) for error in errors] == ["it ended at its start"]


def catching(act: Callable[[], None], errors: list[BaseException]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        except LocalError as error:
            errors.append(error)

    return run
