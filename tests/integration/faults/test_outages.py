"""Stores and the API go away while broadcasts arrive: nothing accepted is lost, and nobody is blamed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.model import Audience, AudienceType, Broadcast, Kind, Lane
from carillon.policy import messages
from carillon.policy.lanes import LANES
from carillon.ports import Outgoing
from tests.integration.faults.phones import all_have
from tests.integration.faults.sender import Sender
from tests.integration.faults.waiting import ticks, until

if TYPE_CHECKING:
    from tests.integration.faults.stage import Stage, Wedding

LONG = [pytest.mark.faults, pytest.mark.timeout(600)]


def goes_on(sender: Sender, *, timeout_s: float = 40) -> None:
    """Wait until another twenty are accepted: the system does its work again."""
    goal = len(sender.everything) + 20
    until(
        lambda: len(sender.everything) >= goal,
        "more to be accepted",
        timeout_s=timeout_s,
        seen=lambda: str(sender.refused[-1:]),
    )


def nothing_lost(
    stage: Stage, sender: Sender, weddings: list[Wedding], *, timeout_s: float, most_attempts: int = 1
) -> None:
    """Everybody has what was answered 202, once and in order, at the first attempt; and nothing else was stored."""
    phones = {wedding.wedding_id: [] for wedding in weddings}
    for phone in stage.fleet.phones:
        phones[phone.user_id.split("-")[0]].append(phone)
    for wedding in weddings:
        all_have(phones[wedding.wedding_id], sender.accepted_of(wedding), timeout_s=timeout_s)
    # No attempt is counted where the ack is quicker than the consumer.
    good = {("delivered", attempts) for attempts in range(most_attempts + 1)}
    until(
        lambda: stage.fates(sender.everything).keys() <= good,
        f"all to be delivered in {most_attempts} attempts",
        seen=lambda: str(stage.fates(sender.everything)),
    )
    ids = [wedding.wedding_id for wedding in weddings]
    stored = stage.rows("SELECT broadcast_id::text FROM broadcasts WHERE wedding_id = ANY(%s)", ids)
    assert sorted(one for (one,) in stored) == sorted(sender.everything)
    stage.verify_clean()


@pytest.mark.parametrize("outage_s", [4, pytest.param(30, marks=LONG)])
def test_nothing_is_lost_when_stores_and_api_go_away_under_load(stage: Stage, outage_s: float) -> None:
    weddings = [stage.wedding(couple=2, guest=6) for _ in range(4)]
    stage.fleet.online([user for wedding in weddings for user in wedding.users])
    with Sender(stage, weddings, ("critical", "normal")) as sender:
        sender.start()
        goes_on(sender)

        with stage.valkey as valkey:
            valkey.flushall()
        goes_on(sender)
        stage.system.kill("valkey")
        goes_on(sender)
        stage.system.restart("valkey")
        goes_on(sender)
        assert sender.refused == [], "without Valkey all is as before, only slower"

        stage.system.hold("postgres")
        for _ in ticks(outage_s, every_s=0.5):
            pass
        until(lambda: len(sender.refused) >= 4, "503 to be answered")
        stage.system.restart("postgres")
        goes_on(sender)

        stage.system.kill("api")
        goes_on(sender)
    assert sender.cut_off, "the API's death was noticed by nobody: the test did not test it"
    assert {answer.json()["code"] for answer in sender.refused} == {"outage"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 30 for answer in sender.refused)
    nothing_lost(stage, sender, weddings, timeout_s=outage_s + 60)


def test_the_database_crashes_instead_of_stopping(stage: Stage) -> None:
    wedding = stage.wedding(couple=2, guest=6)
    stage.fleet.online(wedding.users)
    with Sender(stage, [wedding]) as sender:
        sender.start(pause_s=0.01)
        goes_on(sender)
        stage.system.kill("postgres")
        goes_on(sender)
    nothing_lost(stage, sender, [wedding], timeout_s=60)


def test_the_gateway_dies_with_all_its_sockets(stage: Stage) -> None:
    """Nobody says good-bye: every connection in the registry is a ghost, and every phone comes back on a new one.

    A post that meets nobody listening is an attempt made in vain: sockets are no store.
    """
    wedding = stage.wedding(couple=2, guest=6)
    phones = stage.fleet.online(wedding.users)
    with Sender(stage, [wedding]) as sender:
        sender.start(pause_s=0.01)
        goes_on(sender)
        stage.system.kill("gateway")
        goes_on(sender)
        until(lambda: all(phone.client.statistics.reconnects for phone in phones), "the phones to come back")
        goes_on(sender)
    nothing_lost(stage, sender, [wedding], timeout_s=60, most_attempts=LANES[Lane.NORMAL].attempts)
    known = "SELECT count(*) FROM connections WHERE user_id = ANY(%s) AND active"
    until(lambda: stage.rows(known, wedding.users) == [(len(phones),)], "the ghosts to be gone")


def test_the_queues_are_lost_with_all_that_is_in_them(stage: Stage) -> None:
    """The emulator keeps nothing over its death; the outbox does, and sends again what was not seen through."""
    wedding = stage.wedding(couple=2, guest=6)
    stage.fleet.online(wedding.users)
    stage.system.hold("lane normal")
    with Sender(stage, [wedding], ("normal", "high")) as sender:
        sender.start(pause_s=0.01)
        goes_on(sender)
        assert stage.waiting_in("normal") > 0
        stage.system.kill("queues")
        goes_on(sender)
        stage.system.restart("lane normal")
        goes_on(sender)
    nothing_lost(stage, sender, [wedding], timeout_s=60)


def test_what_a_dead_api_had_committed_and_not_sent_is_sent_by_the_next(stage: Stage) -> None:
    """Committed without a send is what a kill between the two leaves behind, whatever the timing."""
    wedding = stage.wedding(couple=2, guest=6)
    phones = stage.fleet.online(wedding.users)
    stage.system.kill("api", hold=True)
    database = Database(stage.system.dsn, size=1, timeout_s=5)
    committed = [commit(database, wedding, stage) for _ in range(3)]
    database.close()
    waiting = "SELECT count(*) FROM outbox WHERE broadcast_id = ANY(%s::uuid[]) AND sent_at IS NULL"
    assert stage.rows(waiting, committed) == [(3,)]
    stage.system.restart("api")
    all_have(phones, committed)
    assert {tuple(phone.shown) for phone in phones} == {tuple(committed)}
    assert stage.rows(waiting, committed) == [(0,)]
    stage.verify_clean()


def commit(database: Database, wedding: Wedding, stage: Stage) -> str:
    """Do what accepting does, up to its commit; the broadcast's id."""
    audience = Audience(AudienceType.WEDDING, wedding_id=wedding.wedding_id)
    broadcast = Broadcast(uuid7(), Lane.HIGH, Kind.WEDDING, "timeline.shifted", {}, audience, "ops", stage.now())
    body = messages.encode(messages.first_message(broadcast.broadcast_id, audience))
    group = messages.group_id(broadcast.broadcast_id, audience)
    message = Outgoing(broadcast.lane, group, broadcast.broadcast_id, body)
    PostgresBroadcasts(database).create(broadcast, message, broadcast.created_at, None)
    return broadcast.broadcast_id


def test_readyz_tells_what_is_away(stage: Stage) -> None:
    stage.system.hold("valkey")
    until(lambda: component(stage, "valkey") == "degraded", "valkey to be missed")
    assert stage.http.get("/readyz").status_code == 200
    stage.system.restart("valkey")
    stage.system.hold("queues")
    until(lambda: component(stage, "queue") == "down", "the queues to be missed")
    answer = stage.http.get("/readyz")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def component(stage: Stage, name: str) -> str:
    """The state of a component according to /readyz."""
    return str(stage.http.get("/readyz").json()["components"][name]["state"])
