"""Faults on demand, each seen from outside."""

import asyncio
import json
from typing import Any

import pytest

from gateway.clock import DrivenClock
from tests.integration.gateway.harness import Answer, Http, Records, client, http, id_of, run, serving, until


async def _set(callbacks: Http, **faults: Any) -> Answer:
    return await callbacks.ask("POST", "/_faults", json.dumps(faults).encode(), {})


def test_faults_cannot_be_reached_unless_allowed() -> None:
    async def scenario() -> None:
        async with serving(faults=False) as gateway, http(gateway) as callbacks:
            assert (await _set(callbacks, limit_next=1)).status == 404

    run(scenario())


@pytest.mark.parametrize(
    "faults",
    [
        {"unknown": 1},
        {"limit_share": 1.5},
        {"limit_share": "all"},
        {"limit_next": -1},
        {"limit_next": 1.5},
        {"slow_ms": True},
        {"error_status": 404},
        {"slow_ms": 1e9},
    ],
)
def test_wrong_settings_are_refused_and_change_nothing(faults: dict[str, Any]) -> None:
    async def scenario() -> None:
        async with serving() as gateway, http(gateway) as callbacks:
            before = (await callbacks.ask("GET", "/_faults")).json()
            answer = await _set(callbacks, error_next=1, **faults)
            assert answer.status == 400
            assert next(iter(faults)) in answer.message
            assert (await callbacks.ask("GET", "/_faults")).json() == before
            assert (await callbacks.ask("POST", "/_faults", b"not json")).status == 400

    run(scenario())


def test_the_next_posts_get_429_then_5xx_then_pass() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            await _set(callbacks, limit_next=2, error_next=1, error_status=503)
            statuses = [(await callbacks.post(connection_id, str(n).encode())).status for n in range(4)]
            assert statuses == [429, 429, 503, 200]
            assert await ws.recv() == "3"
            shown = (await callbacks.ask("GET", "/_faults")).json()
            assert shown["limit_next"] == 0
            assert shown["struck"] == {"limit": 2, "error": 1, "gone": 0}

    run(scenario())


def test_a_share_fails_from_a_seed_and_repeats() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            runs = []
            for _ in range(2):
                await _set(callbacks, seed=7, limit_share=0.3, error_share=0.2)
                runs.append([(await callbacks.post(connection_id, b"x")).status for _ in range(100)])
            assert runs[0] == runs[1]
            assert set(runs[0]) == {200, 429, 500}
            assert 15 < runs[0].count(429) < 45
            await callbacks.ask("DELETE", "/_faults")
            assert {(await callbacks.post(connection_id, b"x")).status for _ in range(30)} == {200}

    run(scenario())


def test_a_slow_gateway_answers_later_and_in_order() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            await _set(callbacks, slow_ms=200)
            start_s = clock.monotonic()
            for number in range(3):
                callbacks.write("POST", f"/local/@connections/{connection_id}", str(number).encode())
            for number in range(3):
                answer = asyncio.ensure_future(callbacks.read())
                while not answer.done():
                    clock.advance(0.01)
                    await asyncio.wait([answer], timeout=0.001)
                assert answer.result().status == 200
                assert clock.monotonic() - start_s >= 0.2 * (number + 1)
                assert await ws.recv() == str(number)

    run(scenario())


def test_what_comes_behind_a_slow_post_waits_for_it() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            await _set(callbacks, slow_ms=200)
            callbacks.write("POST", f"/local/@connections/{connection_id}", b"x")
            callbacks.write("GET", f"/local/@connections/{connection_id}")
            answer = asyncio.ensure_future(callbacks.read())
            while not answer.done():
                clock.advance(0.01)
                await asyncio.wait([answer], timeout=0.001)
            assert answer.result().body == b""
            clock.advance(0.01)
            assert "connectedAt" in (await callbacks.read()).json()

    run(scenario())


def test_more_slow_posts_than_may_be_held_are_all_answered() -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            await _set(callbacks, slow_ms=1)
            for number in range(200):
                callbacks.write("POST", f"/local/@connections/{connection_id}", str(number).encode())
            assert [(await callbacks.read()).status for _ in range(200)] == [200] * 200
            assert [await ws.recv() for _ in range(200)] == [str(number) for number in range(200)]

    run(scenario())


def test_a_young_connection_answers_410_for_a_while() -> None:
    clock = DrivenClock()

    async def scenario() -> None:
        async with serving(clock=clock) as gateway, http(gateway) as callbacks:
            await _set(callbacks, gone_after_open_ms=500)
            async with client(gateway) as ws:
                connection_id = await id_of(ws)
                assert (await callbacks.post(connection_id, b"early")).status == 410
                clock.advance(0.6)
                assert (await callbacks.post(connection_id, b"in time")).status == 200
                assert await ws.recv() == "in time"

    run(scenario())


@pytest.mark.parametrize(("fault", "delivered"), [("drop_before", False), ("drop_after", True)])
def test_a_dropped_post_resets_the_connection(fault: str, *, delivered: bool) -> None:
    async def scenario() -> None:
        async with serving() as gateway, client(gateway) as ws, http(gateway) as callbacks:
            connection_id = await id_of(ws)
            await _set(callbacks, **{f"{fault}_next": 1})
            with pytest.raises(ConnectionResetError):
                await callbacks.post(connection_id, b"dropped")
            async with http(gateway) as again:
                assert (await again.post(connection_id, b"next")).status == 200
            assert await ws.recv() == ("dropped" if delivered else "next")

    run(scenario())


def test_a_lost_disconnect_leaves_a_ghost(records: Records) -> None:
    async def scenario() -> None:
        async with serving(worker_env=records.env) as gateway, http(gateway) as callbacks:
            await _set(callbacks, lost_disconnect_share=1.0)
            async with client(gateway) as ws:
                ghost = await id_of(ws)
            await until(lambda: not gateway.connections, "the ghost has gone")
            assert (await callbacks.post(ghost, b"x")).status == 410
            await _set(callbacks, lost_disconnect_share=0.0)
            async with client(gateway) as ws:
                told = await id_of(ws)
            await until(lambda: records.contexts("DISCONNECT"), "the next $disconnect")
            assert [context["connectionId"] for context in records.contexts("DISCONNECT")] == [told]

    run(scenario())
