import resource

from gateway.status import Gauges, raise_file_limit, resident_bytes


def test_rates_are_those_of_the_last_tick() -> None:
    gauges = Gauges()
    gauges.tick(0.0, posts=100, messages=10)
    gauges.tick(0.0, posts=150, messages=10)
    assert (gauges.posts_per_s, gauges.messages_per_s) == (50, 0)


def test_the_worst_lag_is_forgotten_after_two_minutes() -> None:
    gauges = Gauges()
    gauges.tick(0.5, 0, 0)
    assert (gauges.lag_ms, gauges.worst_lag_ms) == (500, 500)
    for _ in range(60):
        gauges.tick(0.0, 0, 0)
    assert gauges.worst_lag_ms == 500
    for _ in range(60):
        gauges.tick(0.001, 0, 0)
    assert gauges.worst_lag_ms == 1


def test_memory_is_that_of_a_python_process() -> None:
    assert 5_000_000 < resident_bytes() < 10_000_000_000


def test_the_file_limit_is_the_hard_one_afterwards() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        limit = raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, before[1])
        assert limit == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
