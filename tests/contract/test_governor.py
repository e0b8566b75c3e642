"""The governor in a real Valkey: the same rule as the pure one, one budget for all, and a split while it is away."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from valkey import Valkey as Client

from carillon.adapters import governor as adapter
from carillon.adapters.governor import KEY, ValkeyGovernor
from carillon.config import CallbackSettings
from carillon.model import Lane
from carillon.policy.governor import Budget, State, draw, full
from local.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

LUA = Path(adapter.__file__).with_name("governor.lua").read_text()


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """A client that counts its round trips."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        self.calls += 1
        return getattr(self._client, name)


@pytest.fixture
def client(valkey: str) -> Iterator[Client]:
    with Client.from_url(valkey, socket_timeout=5) as opened:
        yield opened


def settings(*, rate: float = 10_000, burst: float = 5_000, reserve: float = 0.2) -> CallbackSettings:
    return CallbackSettings(endpoint="https://example.com", rate=rate, burst=burst, reserve=reserve, local_split=10)


@pytest.mark.parametrize("seed", range(8))
def test_the_store_and_the_pure_rule_agree_to_the_last_digit(client: Client, seed: int) -> None:
    chance = random.Random(seed)
    budget = Budget(chance.uniform(50, 200_000), chance.uniform(5, 3_000), chance.choice([0, 0.2, 0.37, 0.9]))
    state: State | None = None
    for _ in range(150):
        lane, want = chance.choice(list(Lane)), chance.choice([0, 1, 7, 100, 5_000])
        found = client.eval(LUA, 1, KEY, budget.rate, budget.burst, budget.reserve, int(lane is Lane.CRITICAL), want)
        now = float(found[2])
        expected = draw(budget, state or full(budget, now), now, lane, want)
        state = expected.state
        assert (found[0], float(found[1])) == (expected.granted, expected.retry_after_s)
        stored = {name.decode(): float(text) for name, text in client.hgetall(KEY).items()}
        assert stored == {"reserve": state.reserve, "shared": state.shared, "at": state.at}


def test_an_unused_budget_leaves_nothing_behind(client: Client) -> None:
    ValkeyGovernor(client, settings()).rate(Lane.HIGH).lease(1)
    assert 0 < client.ttl(KEY) <= 61


def test_all_processes_draw_from_one_budget_and_never_the_reserve(client: Client) -> None:
    """With no refill to speak of: two processes take the shared part between them, critical still has its reserve."""
    governors = [ValkeyGovernor(client, settings(rate=1, burst=1_000), clock=Clock()) for _ in range(2)]
    granted = sum(one.rate(Lane.LOW).lease(700).granted for one in governors)
    assert granted == 800
    assert governors[0].rate(Lane.HIGH).lease(10).granted == 0
    assert governors[1].rate(Lane.CRITICAL).lease(1_000).granted == 200


def test_one_round_trip_pays_for_a_block(client: Client) -> None:
    counting = Counting(client)
    rate = ValkeyGovernor(counting, settings(), clock=Clock()).rate(Lane.NORMAL)
    assert rate.lease(1).granted == 1
    first = counting.calls
    assert [rate.lease(33).granted for _ in range(3)] == [33, 33, 33]
    assert counting.calls == first
    rate.lease(1)
    assert counting.calls > first


def test_a_block_is_not_kept_for_later(client: Client) -> None:
    clock, counting = Clock(), Counting(client)
    rate = ValkeyGovernor(counting, settings(), clock=clock).rate(Lane.NORMAL)
    rate.lease(1)
    first = counting.calls
    clock.now += adapter.BLOCK_LIFE_S
    rate.lease(1)
    assert counting.calls > first


def test_at_the_bottom_nobody_asks_for_each_drop(client: Client) -> None:
    clock, counting = Clock(), Counting(client)
    rate = ValkeyGovernor(counting, settings(rate=1, burst=10), clock=clock).rate(Lane.LOW)
    assert rate.lease(50).granted == 8
    used = counting.calls
    waiting = rate.lease(50)
    assert waiting.granted == 0
    assert waiting.retry_after_s > 0
    assert counting.calls == used


def test_a_wiped_store_starts_over_with_a_full_budget(client: Client) -> None:
    governor = ValkeyGovernor(client, settings(rate=1, burst=100), clock=Clock())
    assert governor.rate(Lane.CRITICAL).lease(100).granted == 100
    client.flushall()
    client.script_flush()
    assert governor.draw(Lane.CRITICAL, 100).granted == 100


def test_without_the_store_each_process_keeps_to_its_split_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Valkey(tmp_path / "valkey")
    server.start()
    clock = Clock()
    with Client.from_url(server.url, socket_timeout=5, socket_connect_timeout=5) as client:
        governor = ValkeyGovernor(client, settings(), clock=clock)
        assert governor.rate(Lane.LOW).lease(10).granted == 10
        server.kill()
        clock.now += adapter.BLOCK_LIFE_S
        with caplog.at_level(logging.WARNING):
            assert_split(governor, clock)
        assert [record.getMessage()[:31] for record in caplog.records] == ["callback budget: Valkey is away"]
        caplog.clear()
        restarted = Valkey(tmp_path / "valkey", port=server.port)
        restarted.start()
        try:
            clock.now += adapter.PROBE_EVERY_S
            with caplog.at_level(logging.WARNING):
                assert governor.rate(Lane.NORMAL).lease(4_000).granted == 4_000
            assert [record.getMessage()[:31] for record in caplog.records] == ["callback budget: Valkey is back"]
        finally:
            restarted.stop()


def assert_split(governor: ValkeyGovernor, clock: Clock) -> None:
    """A tenth of what the lesser lanes may have: 400 at once, 800 a second; critical is open."""
    assert governor.rate(Lane.LOW).lease(5_000).granted == 400
    assert governor.rate(Lane.HIGH).lease(1).granted == 0
    assert governor.rate(Lane.CRITICAL).lease(100_000).granted == 100_000
    clock.now += 0.25
    assert governor.rate(Lane.LOW).lease(5_000).granted == 200


def test_while_the_store_is_away_it_is_not_asked_for_every_lease(tmp_path: Path) -> None:
    """A dead store must not cost each lease its timeout."""
    server = Valkey(tmp_path / "valkey")
    server.start()
    url = server.url
    server.kill()
    clock = Clock()
    with Client.from_url(url, socket_timeout=5, socket_connect_timeout=5) as opened:
        counting = Counting(opened)
        governor = ValkeyGovernor(counting, settings(), clock=clock)
        for _ in range(20):
            governor.rate(Lane.CRITICAL).lease(1_000)
        assert counting.calls == 1
        clock.now += adapter.PROBE_EVERY_S
        governor.rate(Lane.CRITICAL).lease(1_000)
        assert counting.calls == 2
