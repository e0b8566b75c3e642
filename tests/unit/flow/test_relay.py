"""What leaves the outbox late, and that somebody can see how late."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carillon.errors import OutageError
from carillon.names import Metric

if TYPE_CHECKING:
    from tests.unit.flow.conftest import Wedding


def test_send_at_waits_for_its_time(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.send(send_at=wedding.world.now + timedelta(minutes=10))
    wedding.relay()
    assert wedding.work() == []
    assert wedding.shown("c1") == []
    wedding.world.now += timedelta(minutes=10)
    assert wedding.relay()["sent"] == 1
    wedding.work()
    assert len(wedding.shown("c1")) == 1


def test_each_round_of_the_relay_tells_how_long_the_oldest_row_waits(wedding: Wedding) -> None:
    wedding.relay()
    assert wedding.world.counted[Metric.OUTBOX_OLDEST_AGE] == 0, "told, so that silence means something"
    wedding.world.away = {"queue"}
    wedding.send()
    wedding.world.now += timedelta(seconds=30)
    with pytest.raises(OutageError):
        wedding.relay()
    assert wedding.world.counted[Metric.OUTBOX_OLDEST_AGE] == 30


def test_what_the_queue_did_not_take_is_sent_by_the_relay(wedding: Wedding) -> None:
    wedding.connect("c1", "anna")
    wedding.world.away = {"queue"}
    wedding.send()
    wedding.world.away = set()
    assert wedding.world.queue == []
    assert wedding.relay()["sent"] == 1
    wedding.work()
    assert len(wedding.shown("c1")) == 1
