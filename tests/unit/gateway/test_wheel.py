from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import DrivenClock
from gateway.wheel import Wheel


class Item:
    """Something whose end is recorded."""

    def __init__(self, clock: DrivenClock, deadline_s: float) -> None:
        self.clock = clock
        self.at_s = deadline_s
        self.slot = 0
        self.ended_at_s: float | None = None

    def deadline_s(self) -> float:
        return self.at_s

    def expire(self) -> None:
        assert self.ended_at_s is None, "expired twice"
        self.ended_at_s = self.clock.monotonic()


@given(st.lists(st.floats(0, 50), min_size=1, max_size=30), st.lists(st.floats(0.1, 20), min_size=1, max_size=20))
def test_every_item_ends_after_its_deadline_and_within_a_second(deadlines: list[float], steps: list[float]) -> None:
    clock = DrivenClock()
    wheel = Wheel(clock)
    wheel.start()
    items = [Item(clock, deadline) for deadline in deadlines]
    for item in items:
        wheel.add(item)
    for step in steps:
        clock.advance(step)
    for item in items:
        if item.ended_at_s is None:
            assert item.at_s > clock.monotonic() - 2
        else:
            assert item.at_s <= item.ended_at_s <= item.at_s + 2


def test_a_deadline_that_moves_later_needs_no_call() -> None:
    clock = DrivenClock()
    wheel = Wheel(clock)
    wheel.start()
    item = Item(clock, 10)
    wheel.add(item)
    clock.advance(9)
    item.at_s = 30
    clock.advance(15)
    assert item.ended_at_s is None
    clock.advance(10)
    assert item.ended_at_s == 31


def test_a_deadline_that_moves_earlier_needs_add() -> None:
    clock = DrivenClock()
    wheel = Wheel(clock)
    wheel.start()
    item = Item(clock, 1000)
    wheel.add(item)
    item.at_s = 5
    wheel.add(item)
    clock.advance(7)
    assert item.ended_at_s == 6
    clock.advance(2000)  # and its old slot has forgotten it


def test_what_was_removed_never_ends_and_leaves_nothing_behind() -> None:
    clock = DrivenClock()
    wheel = Wheel(clock)
    wheel.start()
    item = Item(clock, 5)
    wheel.add(item)
    wheel.remove(item)
    wheel.remove(item)
    clock.advance(20)
    assert item.ended_at_s is None
    assert wheel._slots == {}


def test_ticks_tell_how_late_they_are() -> None:
    clock = DrivenClock()
    late_s: list[float] = []
    wheel = Wheel(clock, late_s.append)
    wheel.start()
    clock.advance(3)
    assert late_s == [0.0, 0.0, 0.0]
    wheel.stop()
    clock.advance(3)
    assert len(late_s) == 3
