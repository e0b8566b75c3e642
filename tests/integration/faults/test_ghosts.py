"""Ghosts: sockets that the registry takes for living and that answer 410."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carillon.adapters.connection_index import ValkeyConnectionIndex
from carillon.model import Connection
from gateway.ids import connection_id
from tests.integration.faults.phones import all_have
from tests.integration.faults.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.faults.stage import Stage

LIVING = 20


def haunt(stage: Stage, users: Iterable[str]) -> list[Connection]:
    """Give each person a dead socket, active in the database and in the index."""
    ghosts = [Connection(connection_id(), user_id) for user_id in users]
    stage.rows(
        "INSERT INTO connections (connection_id, user_id, active, connected_at, expires_at)"
        " SELECT c, u, true, now(), now() + interval '1 hour' FROM unnest(%s::text[], %s::text[]) AS g (c, u)",
        [ghost.connection_id for ghost in ghosts],
        [ghost.user_id for ghost in ghosts],
    )
    with stage.valkey as valkey:
        index = ValkeyConnectionIndex(valkey, list)
        for ghost in ghosts:
            index.add(ghost)
        found = index.lookup([ghost.user_id for ghost in ghosts])
    assert found is not None
    assert set(ghosts) <= set(found)
    return ghosts


def left_of(stage: Stage, ghosts: list[Connection]) -> tuple[int, int]:
    """How many of them the database and the index still hold."""
    ids = {ghost.connection_id for ghost in ghosts}
    ((stored,),) = stage.rows("SELECT count(*) FROM connections WHERE connection_id = ANY(%s)", list(ids))
    with stage.valkey as valkey:
        found = ValkeyConnectionIndex(valkey, list).lookup([ghost.user_id for ghost in ghosts])
    assert found is not None
    return stored, sum(one.connection_id in ids for one in found)


def test_a_thousand_ghosts_delay_nobody_and_are_gone_afterwards(stage: Stage) -> None:
    wedding = stage.wedding(couple=1000, guest=LIVING)
    dead, living = wedding.users[:1000], wedding.users[1000:]
    phones = stage.fleet.online(living)
    ghosts = haunt(stage, dead)  # couples are posted to before guests, so that all of them come first
    before = stage.system.mapping_status("normal")

    broadcast_id = stage.send(wedding.audience)
    all_have(phones, [broadcast_id])
    until(lambda: stage.waiting_in("normal") == 0, "the message to be done with")

    until(lambda: stage.statuses(broadcast_id)["queued"] == 1000, "the dead to keep theirs for their return")
    assert left_of(stage, ghosts) == (0, 0)
    assert stage.fates([broadcast_id])["queued", 0] == 1000, "a ghost costs nobody an attempt"
    until(lambda: stage.system.mapping_status("normal")["deleted"] > before["deleted"], "the mapping's count")
    taken = stage.system.mapping_status("normal")["received"] - before["received"]
    assert taken == 1, "the message was handed back"
    stage.verify_clean()


def test_a_person_with_ghosts_and_two_devices_gets_it_on_both(stage: Stage) -> None:
    wedding = stage.wedding(couple=1)
    (anna,) = wedding.users
    phones = stage.fleet.online([anna, anna])
    ghosts = haunt(stage, [anna] * 5)
    broadcast_id = stage.send(wedding.audience, "critical")
    all_have(phones, [broadcast_id])
    until(lambda: left_of(stage, ghosts) == (0, 0), "the ghosts to be gone")
    assert all(phone.live for phone in phones)
