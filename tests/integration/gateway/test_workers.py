"""The worker pool: one event at a time per process, and what happens when a process does not answer."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.clock import DrivenClock
from gateway.workers import FunctionError, InvocationTimeout, WorkerDied, WorkerPool
from tests.integration.gateway.harness import STUBS, alive, run, until


async def _with_pool(scenario: Any, **options: Any) -> None:
    pool = WorkerPool(**{"size": 1, **options})
    await pool.start()
    try:
        await scenario(pool)
    finally:
        await pool.stop()


def test_a_result_comes_back_as_it_was_given() -> None:
    async def scenario(pool: WorkerPool) -> None:
        event = {"text": "Grüße \x00 \N{BELL}", "list": [1, 2.5, None, True], "nested": {"a": {}}}
        assert await pool.invoke(f"{STUBS}.echo", event) == event

    run(_with_pool(scenario))


def test_large_events_pass() -> None:
    async def scenario(pool: WorkerPool) -> None:
        event = {"text": "x" * 5_000_000}
        assert await pool.invoke(f"{STUBS}.echo", event) == event

    run(_with_pool(scenario))


def test_handlers_get_a_lambda_context() -> None:
    async def scenario(pool: WorkerPool) -> None:
        seen = await pool.invoke(f"{STUBS}.context_seen", {}, timeout_s=7)
        again = await pool.invoke(f"{STUBS}.context_seen", {}, timeout_s=7)
        assert seen["function_name"] == "stub_functions"
        assert seen["invoked_function_arn"].endswith(":function:stub_functions")
        assert seen["memory_limit_in_mb"] > 0
        assert 0 < seen["remaining_ms"] <= 7000
        assert seen["log_group_name"] == "/aws/lambda/stub_functions"
        assert seen["aws_request_id"] != again["aws_request_id"]

    run(_with_pool(scenario))


def test_a_handlers_exception_is_told_and_the_worker_lives_on() -> None:
    async def scenario(pool: WorkerPool) -> None:
        pids = pool.pids
        with pytest.raises(FunctionError) as failure:
            await pool.invoke(f"{STUBS}.fail", {})
        assert failure.value.error_type == "KeyError"
        assert "on purpose" in failure.value.message
        assert await pool.invoke(f"{STUBS}.pid", {}) == pids[0]

    run(_with_pool(scenario))


@pytest.mark.parametrize(
    ("target", "error_type"),
    [
        ("no_such_module.handler", "Runtime.ImportModuleError"),
        (f"{STUBS}.no_such_function", "Runtime.HandlerNotFound"),
        (f"{STUBS}.not_json", "Runtime.MarshalError"),
    ],
)
def test_what_cannot_be_run_has_lambdas_error_type(target: str, error_type: str) -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(FunctionError) as failure:
            await pool.invoke(target, {})
        assert failure.value.error_type == error_type

    run(_with_pool(scenario))


def test_an_event_that_is_not_json_fails_its_call_alone() -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(FunctionError):
            await pool.invoke(f"{STUBS}.echo", {"object": object()})
        assert await pool.invoke(f"{STUBS}.echo", {"a": 1}) == {"a": 1}

    run(_with_pool(scenario))


def test_a_dead_worker_fails_its_call_and_is_replaced() -> None:
    async def scenario(pool: WorkerPool) -> None:
        before = pool.pids
        with pytest.raises(WorkerDied):
            await pool.invoke(f"{STUBS}.die", {})
        after = await pool.invoke(f"{STUBS}.pid", {})
        assert after not in before
        assert pool.pids == [after]

    run(_with_pool(scenario))


def test_a_killed_idle_worker_is_replaced() -> None:
    async def scenario(pool: WorkerPool) -> None:
        (before,) = pool.pids
        os.kill(before, signal.SIGKILL)
        await until(lambda: pool.pids and before not in pool.pids, "a new worker")
        assert await pool.invoke(f"{STUBS}.echo", {"a": 1}) == {"a": 1}

    run(_with_pool(scenario))


def test_callers_survive_a_crash_loop() -> None:
    """Ten deaths in a row slow the replacements down, but the eleventh caller is served."""

    async def scenario(pool: WorkerPool) -> None:
        for _ in range(5):
            with pytest.raises(WorkerDied):
                await pool.invoke(f"{STUBS}.die", {})
        assert await pool.invoke(f"{STUBS}.echo", {"a": 1}) == {"a": 1}

    run(_with_pool(scenario))


def test_a_call_that_takes_too_long_kills_its_worker() -> None:
    clock = DrivenClock()

    async def scenario(pool: WorkerPool) -> None:
        (before,) = pool.pids
        call = asyncio.ensure_future(pool.invoke(f"{STUBS}.sleep", {"seconds": 60}, timeout_s=29))
        await asyncio.sleep(0)
        clock.advance(28.9)
        await asyncio.sleep(0)
        assert not call.done()
        clock.advance(0.2)
        with pytest.raises(InvocationTimeout):
            await call
        await until(lambda: not alive(before), "the slow worker is gone")
        assert await pool.invoke(f"{STUBS}.pid", {}) != before

    run(_with_pool(scenario, clock=clock))


def test_a_caller_that_waits_too_long_gives_up_and_kills_nobody(tmp_path: Path) -> None:
    clock = DrivenClock()

    async def scenario(pool: WorkerPool) -> None:
        pids = pool.pids
        go = tmp_path / "go"
        busy = asyncio.ensure_future(pool.invoke(f"{STUBS}.wait_for_file", {"file": str(go)}, timeout_s=100))
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(pool.invoke(f"{STUBS}.pid", {}, timeout_s=5))
        await asyncio.sleep(0)
        clock.advance(6)
        with pytest.raises(InvocationTimeout):
            await waiting
        go.touch()
        assert (await busy)["body"] == "went on"
        assert pool.pids == pids

    run(_with_pool(scenario, clock=clock))


def test_the_time_spent_waiting_does_not_shorten_the_run(tmp_path: Path) -> None:
    clock = DrivenClock()

    async def scenario(pool: WorkerPool) -> None:
        first_may_go, second_may_go = tmp_path / "first", tmp_path / "second"
        first = asyncio.ensure_future(pool.invoke(f"{STUBS}.wait_for_file", {"file": str(first_may_go)}, timeout_s=100))
        second = asyncio.ensure_future(
            pool.invoke(f"{STUBS}.wait_for_file", {"file": str(second_may_go)}, timeout_s=10)
        )
        await asyncio.sleep(0)
        clock.advance(8)
        first_may_go.touch()
        await first
        clock.advance(8)
        second_may_go.touch()
        assert (await second)["body"] == "went on"

    run(_with_pool(scenario, clock=clock))


def test_waiting_callers_are_served_in_order() -> None:
    async def scenario(pool: WorkerPool) -> None:
        finished: list[int] = []

        async def one(number: int) -> None:
            await pool.invoke(f"{STUBS}.echo", {"number": number})
            finished.append(number)

        await asyncio.gather(*(one(number) for number in range(50)))
        assert finished == list(range(50))

    run(_with_pool(scenario))


def test_a_caller_that_is_cancelled_leaves_the_worker_usable() -> None:
    async def scenario(pool: WorkerPool) -> None:
        call = asyncio.ensure_future(pool.invoke(f"{STUBS}.sleep", {"seconds": 0.05}))
        queued = asyncio.ensure_future(pool.invoke(f"{STUBS}.die", {}))
        await asyncio.sleep(0)
        call.cancel()
        queued.cancel()
        assert await pool.invoke(f"{STUBS}.echo", {"mine": 1}) == {"mine": 1}

    run(_with_pool(scenario))


def test_two_workers_run_two_events_at_once(tmp_path: Path) -> None:
    async def scenario(pool: WorkerPool) -> None:
        go = tmp_path / "go"
        held = asyncio.ensure_future(pool.invoke(f"{STUBS}.wait_for_file", {"file": str(go)}))
        await asyncio.sleep(0)
        assert await pool.invoke(f"{STUBS}.echo", {"a": 1}) == {"a": 1}
        assert not held.done()
        go.touch()
        await held

    run(_with_pool(scenario, size=2))


def test_workers_get_their_variables_and_preloads() -> None:
    async def scenario(pool: WorkerPool) -> None:
        assert await pool.invoke(f"{STUBS}.variable", {"name": "CHIME"}) == "ding"
        assert await pool.invoke(f"{STUBS}.modules", {"name": "colorsys"}) is True

    run(_with_pool(scenario, env={"CHIME": "ding"}, preload=["colorsys"]))


def test_a_preload_that_fails_stops_the_start() -> None:
    async def scenario() -> None:
        pool = WorkerPool(size=2, preload=["no_such_module"])
        with pytest.raises(FunctionError, match="no_such_module"):
            await pool.start()
        assert pool.pids == []

    run(scenario())


def test_stop_ends_every_process_and_fails_those_who_wait() -> None:
    async def scenario() -> None:
        pool = WorkerPool(size=2)
        await pool.start()
        pids = pool.pids
        running = [asyncio.ensure_future(pool.invoke(f"{STUBS}.sleep", {"seconds": 0.1})) for _ in range(2)]
        queued = asyncio.ensure_future(pool.invoke(f"{STUBS}.echo", {}))
        await asyncio.sleep(0)
        await pool.stop()
        assert [(await call)["body"] for call in running] == ["slept", "slept"]
        with pytest.raises(WorkerDied):
            await queued
        assert not any(alive(pid) for pid in pids)
        with pytest.raises(WorkerDied):
            await pool.invoke(f"{STUBS}.echo", {})

    run(scenario())


def test_a_pool_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="at least one"):
        WorkerPool(size=0)


def test_stop_does_not_wait_for_a_handler_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.workers.STOP_GRACE_S", 0.05)

    async def scenario() -> None:
        pool = WorkerPool(size=1)
        await pool.start()
        (pid,) = pool.pids
        endless = asyncio.ensure_future(pool.invoke(f"{STUBS}.sleep", {"seconds": 60}))
        await asyncio.sleep(0)
        await pool.stop()
        with pytest.raises(WorkerDied):
            await endless
        assert not alive(pid)

    run(scenario())


def test_a_worker_that_was_killed_for_its_slowness_gets_no_further_call() -> None:
    """Its last answer may already be on the way: the caller behind it must not be given to the dying process."""
    clock = DrivenClock()

    async def scenario(pool: WorkerPool) -> None:
        for _ in range(20):
            slow = asyncio.ensure_future(pool.invoke(f"{STUBS}.echo", {"a": 1}, timeout_s=1))
            behind = asyncio.ensure_future(pool.invoke(f"{STUBS}.echo", {"b": 2}, timeout_s=100))
            await asyncio.sleep(0)
            # The answer is written while this loop does not look; the clock strikes first.
            time.sleep(0.002)  # noqa: ASYNC251
            clock.advance(1.5)
            with pytest.raises(InvocationTimeout):
                await slow
            assert await behind == {"b": 2}

    run(_with_pool(scenario, clock=clock))
