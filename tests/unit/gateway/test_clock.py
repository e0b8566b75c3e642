from gateway.clock import DrivenClock


def test_time_stands_still_until_it_is_advanced() -> None:
    clock = DrivenClock(start_s=1000.0)
    assert (clock.monotonic(), clock.time()) == (0.0, 1000.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.time()) == (2.5, 1002.5)


def test_timers_run_in_order_each_at_its_own_moment() -> None:
    clock = DrivenClock()
    seen: list[tuple[str, float]] = []
    clock.call_later(3, lambda: seen.append(("third", clock.monotonic())))
    clock.call_later(1, lambda: seen.append(("first", clock.monotonic())))
    clock.call_later(1, lambda: seen.append(("second", clock.monotonic())))
    clock.call_later(9, lambda: seen.append(("later", clock.monotonic())))
    clock.advance(5)
    assert seen == [("first", 1.0), ("second", 1.0), ("third", 3.0)]
    assert clock.monotonic() == 5.0


def test_a_timer_may_ask_for_the_next_within_the_same_advance() -> None:
    clock = DrivenClock()
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(clock.monotonic())
        clock.call_later(1, tick)

    clock.call_later(1, tick)
    clock.advance(3.5)
    assert ticks == [1.0, 2.0, 3.0]


def test_a_cancelled_timer_does_not_run() -> None:
    clock = DrivenClock()
    seen: list[int] = []
    timer = clock.call_later(1, lambda: seen.append(1))
    timer.cancel()
    clock.advance(2)
    assert seen == []
