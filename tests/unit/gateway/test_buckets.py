from hypothesis import given
from hypothesis import strategies as st

from gateway.buckets import TokenBucket
from gateway.clock import DrivenClock


def test_a_full_bucket_gives_its_burst_and_then_the_rate() -> None:
    clock = DrivenClock()
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.advance(0.11)
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_time_without_use_never_saves_up_more_than_the_burst() -> None:
    clock = DrivenClock()
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    clock.advance(3600)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    pauses_s=st.lists(st.floats(0, 2), min_size=1, max_size=100),
)
def test_no_pattern_of_asking_gets_more_than_burst_and_rate_allow(
    rate: float, burst: int, pauses_s: list[float]
) -> None:
    clock = DrivenClock()
    bucket = TokenBucket(rate, burst, clock)
    taken = 0
    for pause_s in pauses_s:
        clock.advance(pause_s)
        while bucket.take():
            taken += 1
    assert taken <= burst + rate * sum(pauses_s) + 1e-6 * len(pauses_s)
