from collections import Counter

import pytest

from gateway.faults import Fault, FaultError, Faults


def test_nothing_is_on_at_first() -> None:
    faults = Faults()
    assert faults.on is False
    assert {faults.strike() for _ in range(100)} == {None}
    assert faults.loses_disconnect() is False


def test_next_counts_down_in_order() -> None:
    faults = Faults()
    faults.change({"drop_after_next": 1, "limit_next": 2})
    struck = [faults.strike() for _ in range(4)]
    assert struck == [Fault.LIMIT, Fault.LIMIT, Fault.DROP_AFTER, None]


def test_a_change_keeps_what_it_does_not_name() -> None:
    faults = Faults()
    faults.change({"limit_next": 3, "slow_ms": 5})
    faults.strike()
    faults.change({"slow_ms": 0})
    assert faults.document()["limit_next"] == 2
    assert faults.document()["slow_ms"] == 0


def test_a_seed_repeats_its_choices() -> None:
    runs = []
    for _ in range(2):
        faults = Faults()
        faults.change({"seed": 3, "error_share": 0.5, "lost_disconnect_share": 0.5})
        runs.append([(faults.strike(), faults.loses_disconnect()) for _ in range(50)])
    assert runs[0] == runs[1]


def test_a_share_is_met_about() -> None:
    faults = Faults()
    faults.change({"limit_share": 0.25})
    counted = Counter(faults.strike() for _ in range(4000))
    assert 850 < counted[Fault.LIMIT] < 1150
    assert faults.document()["struck"]["limit"] == counted[Fault.LIMIT]


def test_clear_switches_everything_off() -> None:
    faults = Faults()
    faults.change({"limit_share": 1.0, "gone_after_open_ms": 1000})
    assert faults.too_young(0.5)
    assert not faults.too_young(1.5)
    faults.clear()
    assert faults.on is False
    assert faults.strike() is None
    assert faults.document()["struck"] == {}


def test_a_wrong_field_changes_nothing() -> None:
    faults = Faults()
    with pytest.raises(FaultError, match="limit_share"):
        faults.change({"slow_ms": 10, "limit_share": 2})
    with pytest.raises(FaultError, match="JSON object"):
        faults.change([])
    assert faults.on is False
