import re

import pytest

from gateway import ids
from gateway.clock import DrivenClock
from gateway.config import GatewayConfig
from gateway.events import Caller, EventMaker, common_log_time


@pytest.mark.parametrize(
    ("time_s", "text"),
    [(0, "01/Jan/1970:00:00:00 +0000"), (1_581_278_996.9, "09/Feb/2020:20:09:56 +0000")],
)
def test_request_time_has_the_common_log_form(time_s: float, text: str) -> None:
    assert common_log_time(time_s) == text


def test_a_caller_without_user_agent_has_none_in_its_identity() -> None:
    assert Caller("id", "10.0.0.1", None, 0).identity() == {"sourceIp": "10.0.0.1"}


def test_times_come_from_the_clock() -> None:
    clock = DrivenClock(start_s=1_581_278_996.0)
    maker = EventMaker(GatewayConfig(), clock)
    clock.advance(1.5)
    context = maker.message(Caller("id", "10.0.0.1", None, 42), "x", "body")["requestContext"]
    assert context["requestTimeEpoch"] == 1_581_278_997_500
    assert context["requestTime"] == "09/Feb/2020:20:09:57 +0000"
    assert context["connectedAt"] == 42


def test_ids_are_recognised_and_do_not_repeat() -> None:
    made = {ids.connection_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(ids.is_connection_id(one) for one in made)
    assert ids.is_connection_id("L0SM9cOFvHcCIhw=")
    for wrong in ("", "x", "L0SM9cOFvHcCIhw", "L0SM9cOFvHcCIhw%3D", "L0SM9cOFvHcCIh/="):
        assert not ids.is_connection_id(wrong)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", ids.request_id())
