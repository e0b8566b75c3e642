"""Who may send, and what acceptance promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from carillon.errors import (
    AudienceError,
    ForbiddenError,
    ForeignWeddingError,
    IdempotencyConflictError,
    NotFoundError,
    OutageError,
)
from carillon.flow.cancel import cancel
from carillon.flow.create import create
from carillon.flow.preview import preview
from carillon.model import Audience, AudienceType, Lane, Preferences, Preview, Principal, Role
from carillon.names import Scope
from carillon.ports import Idempotency
from tests.unit.flow.conftest import PLANNER, Wedding

WRITER = replace(PLANNER, scopes=frozenset({Scope.BROADCAST_WRITE}))
FLORIST = replace(PLANNER, subject="carl", supplier_id="carl")


def refused(wedding: Wedding, principal: Principal, lane: Lane, audience: Audience | None = None) -> None:
    create(
        wedding.draft(lane, audience),
        principal,
        wedding.ports,
        broadcast_id=wedding.ports.new_id(),
        now=wedding.world.now,
    )


def test_sending_needs_its_scope_and_critical_one_more(wedding: Wedding) -> None:
    with pytest.raises(ForbiddenError, match="broadcast:write"):
        refused(wedding, replace(PLANNER, scopes=frozenset()), Lane.LOW)
    with pytest.raises(ForbiddenError, match="broadcast:critical"):
        refused(wedding, WRITER, Lane.CRITICAL)
    refused(wedding, WRITER, Lane.HIGH)
    assert len(wedding.world.broadcasts) == 1


def test_a_supplier_only_addresses_weddings_it_works_on(wedding: Wedding) -> None:
    wedding.world.teams["W2"] = {"anna": Role.COUPLE}
    refused(wedding, FLORIST, Lane.NORMAL)
    refused(wedding, FLORIST, Lane.NORMAL, Audience(AudienceType.USERS, user_ids=("anna", "dora")))
    for audience in (
        Audience(AudienceType.WEDDING, wedding_id="W2"),
        Audience(AudienceType.EVERYONE),
        Audience(AudienceType.USERS, user_ids=("stranger",)),
    ):
        with pytest.raises(ForeignWeddingError):
            refused(wedding, FLORIST, Lane.NORMAL, audience)


def test_unknown_audiences_are_refused_and_nothing_is_stored(wedding: Wedding) -> None:
    for audience in (
        Audience(AudienceType.WEDDING, wedding_id="W9"),
        Audience(AudienceType.USERS, user_ids=("anna", "nobody")),
        Audience(AudienceType.SEGMENT, segment_id="none"),
    ):
        with pytest.raises(AudienceError):
            refused(wedding, PLANNER, Lane.NORMAL, audience)
    many = Audience(AudienceType.USERS, user_ids=("anna", *(f"no{number}" for number in range(900))))
    with pytest.raises(AudienceError, match="no0, no1, no2, no3, no4 and 895 more"):
        refused(wedding, PLANNER, Lane.NORMAL, many)
    assert wedding.world.broadcasts == {}
    assert wedding.world.outbox == []


def test_a_replay_answers_the_first_and_sends_nothing_more(wedding: Wedding) -> None:
    key = Idempotency("ben", "k", "same")
    ids = [wedding.ports.new_id() for _ in range(3)]
    made = [
        create(wedding.draft(), PLANNER, wedding.ports, broadcast_id=one, now=wedding.world.now, idempotency=key)
        for one in ids[:2]
    ]
    assert [(one.broadcast.broadcast_id, one.replayed) for one in made] == [(ids[0], False), (ids[0], True)]
    assert len(wedding.world.queue) == 1
    with pytest.raises(IdempotencyConflictError):
        create(
            wedding.draft(), PLANNER, wedding.ports, broadcast_id=ids[2], now=wedding.world.now,
            idempotency=replace(key, request_hash="other"),
        )  # fmt: skip


def test_without_the_database_nothing_is_accepted(wedding: Wedding) -> None:
    wedding.world.away = {"database"}
    with pytest.raises(OutageError):
        wedding.send()
    assert wedding.world.queue == []


def test_a_preview_counts_without_storing(wedding: Wedding) -> None:
    anna = wedding.world.people["anna"]
    wedding.world.people["anna"] = replace(anna, preferences=Preferences(critical_only=True))
    dora = wedding.world.people["dora"]
    wedding.world.people["dora"] = replace(dora, preferences=Preferences(realtime=False))
    expected = Preview(expected=4, now=3, inbox_only=1, delayed=0, filtered=1)
    assert preview(wedding.draft(), PLANNER, wedding.ports, wedding.world.now) == expected
    everyone = wedding.draft(audience=Audience(AudienceType.EVERYONE))
    assert preview(everyone, PLANNER, wedding.ports, wedding.world.now) == expected
    assert wedding.world.outbox == []


def test_only_who_may_send_may_cancel(wedding: Wedding) -> None:
    broadcast_id = wedding.send(Lane.CRITICAL)
    with pytest.raises(NotFoundError):
        cancel(wedding.ports.new_id(), PLANNER, wedding.ports, wedding.world.now)
    with pytest.raises(ForbiddenError):
        cancel(broadcast_id, WRITER, wedding.ports, wedding.world.now)
    with pytest.raises(ForbiddenError):
        cancel(broadcast_id, FLORIST, wedding.ports, wedding.world.now)
    assert cancel(broadcast_id, PLANNER, wedding.ports, wedding.world.now).canceled_at == wedding.world.now


def test_a_retraction_itself_cannot_be_canceled(wedding: Wedding) -> None:
    broadcast_id = wedding.send()
    wedding.work()
    cancel(broadcast_id, PLANNER, wedding.ports, wedding.world.now)
    retraction = next(one for one in wedding.world.broadcasts if one != broadcast_id)
    with pytest.raises(NotFoundError):
        cancel(retraction, PLANNER, wedding.ports, wedding.world.now + timedelta(seconds=1))
