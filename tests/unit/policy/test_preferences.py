"""Whether, when and how a person gets a broadcast."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from carillon.model import Kind, Lane, Preferences, QuietHours, Recipient, Role, Status
from carillon.policy.preferences import decide

NIGHT = datetime(2027, 6, 5, 23, 0, tzinfo=UTC)
QUIET = QuietHours(time(22), time(8), enabled=True)


def person(**chosen: object) -> Recipient:
    return Recipient("anna", Role.COUPLE, "UTC", Preferences(**chosen))  # type: ignore[arg-type]


def test_somebody_who_never_chose_gets_everything_at_once() -> None:
    for kind in Kind:
        for lane in Lane:
            decision = decide(Recipient("anna", Role.COUPLE, "UTC"), lane, kind, NIGHT)
            assert (decision.status, decision.realtime) == (Status.QUEUED, True)


def test_critical_bypasses_everything() -> None:
    deaf = person(kinds=frozenset(), critical_only=True, realtime=False, in_app=False, quiet=QUIET)
    assert decide(deaf, Lane.CRITICAL, Kind.SYSTEM, NIGHT).status is Status.QUEUED
    assert decide(deaf, Lane.CRITICAL, Kind.SYSTEM, NIGHT).realtime


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"critical_only": True}, "critical_only"),
        ({"kinds": frozenset({Kind.SYSTEM})}, "kind"),
        ({"realtime": False, "in_app": False}, "channels"),
    ],
)
def test_opt_outs_filter_with_their_reason(chosen: dict[str, object], reason: str) -> None:
    decision = decide(person(**chosen), Lane.HIGH, Kind.WEDDING, NIGHT)
    assert (decision.status, decision.reason) == (Status.FILTERED, reason)


def test_without_realtime_there_is_an_inbox_row_at_once_even_at_night() -> None:
    decision = decide(person(realtime=False, quiet=QUIET), Lane.NORMAL, Kind.WEDDING, NIGHT)
    assert (decision.status, decision.realtime) == (Status.QUEUED, False)


def test_quiet_hours_delay() -> None:
    decision = decide(person(quiet=QUIET), Lane.NORMAL, Kind.WEDDING, NIGHT)
    assert (decision.status, decision.release_at) == (Status.DELAYED, datetime(2027, 6, 6, 8, 0, tzinfo=UTC))
