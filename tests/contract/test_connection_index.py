"""The index of sockets and the rate limits on a real Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from valkey import Valkey

from carillon.adapters.connection_index import ValkeyConnectionIndex, ValkeyLimits
from carillon.model import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = [f"user{number}" for number in range(200)]
EVERYBODY = [Connection(f"c-{user}", user) for user in PEOPLE]


@pytest.fixture
def client(valkey: str) -> Iterator[Valkey]:
    with Valkey.from_url(valkey) as client:
        yield client


@pytest.fixture
def index(client: Valkey) -> ValkeyConnectionIndex:
    return ValkeyConnectionIndex(client, lambda: EVERYBODY)


@pytest.fixture
def nobody_there() -> Iterator[Valkey]:
    client = Valkey(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    yield client
    client.close()


def test_a_wiped_index_says_so_and_is_built_anew(index: ValkeyConnectionIndex, client: Valkey) -> None:
    assert index.lookup(PEOPLE) is None
    assert index.lookup(PEOPLE) == EVERYBODY
    client.flushall()
    assert index.lookup(["user1"]) is None
    assert index.lookup(["user1"]) == [Connection("c-user1", "user1")]


def test_losing_one_bucket_is_noticed_by_its_people_alone(index: ValkeyConnectionIndex, client: Valkey) -> None:
    index.lookup(PEOPLE)
    client.delete(*client.keys("carillon:conn:{3}:*"))
    lost = [user for user in PEOPLE if index.lookup([user]) is None]
    assert len(lost) == 1, "the first look-up of the bucket builds everything anew"


def test_sockets_come_and_go(index: ValkeyConnectionIndex) -> None:
    index.lookup(["user1"])
    second = Connection("tablet", "user1")
    index.add(second)
    assert set(index.lookup(["user1"]) or []) == {Connection("c-user1", "user1"), second}
    index.remove([Connection("c-user1", "user1")])
    assert index.lookup(["user1", "user2"]) == [second, Connection("c-user2", "user2")]
    index.remove([])
    assert index.lookup([]) == []


def test_entries_end_with_the_longest_life_of_a_socket(index: ValkeyConnectionIndex, client: Valkey) -> None:
    index.lookup(["user1"])
    keys = [key for key in client.keys("carillon:conn:*") if not key.endswith(b"generation")]
    assert all(7_200 < client.ttl(key) <= 7_800 for key in keys)


def test_while_valkey_is_away_the_caller_asks_the_database(nobody_there: Valkey) -> None:
    index = ValkeyConnectionIndex(nobody_there, lambda: EVERYBODY)
    index.add(EVERYBODY[0])
    assert index.lookup(["user0"]) is None
    index.remove([EVERYBODY[0]])


def test_limits_count_per_person_and_are_open_without_valkey(client: Valkey, nobody_there: Valkey) -> None:
    limits = ValkeyLimits(client)
    hour = 3600
    assert [limits.allow("connect", "anna", 2, hour) for _ in range(3)] == [True, True, False]
    assert limits.allow("connect", "ben", 2, hour)
    assert limits.allow("publish", "anna", 2, hour)
    assert ValkeyLimits(nobody_there).allow("connect", "anna", 0, hour)
