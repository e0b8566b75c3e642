"""Starts MiniStack with its SQS made quick; run by the interpreter of the emulator's own virtual environment.

    python emulator_launcher.py VERSION [--unpatched | --cloud]

VERSION is the release these patches were written against; on any other this program ends with status 3. It imports
nothing of ours, because that environment has none of it. What is changed, and why:

- A waiting ReceiveMessage looks for messages every 100 ms. Now whatever may make a message visible wakes it at once.
- Each send copies the whole deduplication cache, and each receive walks all messages twice to look after fields and
  retention: after 10,000 messages in five minutes a queue takes 77 sends/s. Now a send drops only what has expired,
  the retention is checked once a second, and fields are completed only where a send has not set them all.
"""

# ruff: noqa: SLF001 - reaching into the emulator is what a patch does

from __future__ import annotations

import asyncio
import contextvars
import functools
import importlib
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

RETENTION_INTERVAL_S = 1.0
WRONG_VERSION = 3

_waiters: dict[str, set[asyncio.Future[None]]] = {}
_receiving_from: contextvars.ContextVar[str] = contextvars.ContextVar("_receiving_from", default="")


def _queue_name(data: dict[str, Any], url: str) -> str:
    return str(data.get("QueueUrl", url)).rstrip("/").rsplit("/", 1)[-1]


def _wake(name: str) -> None:
    for waiter in _waiters.pop(name, ()):
        if not waiter.done():
            waiter.set_result(None)


async def _sleep_until_woken(delay_s: float) -> None:
    """Stands in for asyncio.sleep inside ReceiveMessage."""
    name = _receiving_from.get()
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    _waiters.setdefault(name, set()).add(waiter)
    try:
        await asyncio.wait([waiter], timeout=delay_s)
    finally:
        _waiters.get(name, set()).discard(waiter)


def wake_receivers(sqs: Any) -> None:
    """Let every action that can make a message visible wake the receivers of its queue."""
    sqs.asyncio = SimpleNamespace(sleep=_sleep_until_woken, iscoroutine=asyncio.iscoroutine)
    receive = sqs._HANDLERS["ReceiveMessage"]

    @functools.wraps(receive)
    async def receive_and_wait(data: dict[str, Any], url: str) -> Any:
        _receiving_from.set(_queue_name(data, url))
        return await receive(data, url)

    sqs._HANDLERS["ReceiveMessage"] = receive_and_wait
    waking = ("SendMessage", "SendMessageBatch", "DeleteMessage", "DeleteMessageBatch")
    for action in (*waking, "ChangeMessageVisibility", "ChangeMessageVisibilityBatch"):
        sqs._HANDLERS[action] = _waking(sqs._HANDLERS[action])


def _waking(act: Any) -> Any:
    @functools.wraps(act)
    def act_and_wake(data: dict[str, Any], url: str) -> Any:
        result = act(data, url)
        _wake(_queue_name(data, url))
        return result

    return act_and_wake


def prune_from_the_front(sqs: Any) -> None:
    """Drop expired deduplication entries only: every entry lives equally long, so the oldest are the first."""

    def prune(queue: dict[str, Any]) -> None:
        cache, now = queue["dedup_cache"], time.time()
        while cache:
            oldest = next(iter(cache))
            if cache[oldest]["expire"] > now:
                return
            del cache[oldest]

    sqs._prune_dedup = prune


def walk_less(sqs: Any) -> None:
    """Check the retention once a second per queue, and the fields of messages only that no send has made."""
    expire, ensure = sqs._expire_retained, sqs._ensure_msg_fields
    checked_at: dict[str, float] = {}

    def expire_now_and_then(queue: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - checked_at.get(queue["url"], 0.0) >= RETENTION_INTERVAL_S:
            checked_at[queue["url"]] = now
            expire(queue)

    def ensure_where_needed(message: dict[str, Any]) -> None:
        if "dedup_cache_key" not in message:  # the last field that SendMessage sets
            ensure(message)

    sqs._expire_retained = expire_now_and_then
    sqs._ensure_msg_fields = ensure_where_needed


def serve(app: Any) -> None:
    """Serve with uvicorn and httptools; the emulator's own server costs nearly twice the CPU."""
    uvicorn = importlib.import_module("uvicorn")
    uvicorn.run(
        app.app,
        host=os.environ["BIND_HOST"],
        port=int(os.environ["GATEWAY_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )


def cloud(app: Any) -> None:
    """Let the whole emulated cloud take our templates; what does so lies in `deploy`, beside this file.

    Its own server serves it: that speaks WebSocket, and gives an answer one Date, which the CDK's clock goes by.
    """
    sys.path.insert(0, str(Path(__file__).parent / "deploy"))
    importlib.import_module("shims").install(os.environ["CARILLON_EMULATED_ACCOUNT"], os.environ["MINISTACK_REGION"])
    importlib.import_module("repairs").install(os.environ["CARILLON_EMULATED_API_ID"])
    importlib.import_module("scalable_targets").install()
    del sys.argv[1:]  # which it would read as its own
    app.main()


def main() -> None:
    """Patch and serve until told to stop."""
    wanted, found = sys.argv[1], version("ministack")
    if wanted != found:
        print(f"the patches are for ministack {wanted}, this is {found}", file=sys.stderr)
        sys.exit(WRONG_VERSION)
    app = importlib.import_module("ministack.app")
    if "--cloud" in sys.argv:
        cloud(app)
        return
    sqs = importlib.import_module("ministack.services.sqs")
    if "--unpatched" not in sys.argv:
        wake_receivers(sqs)
        prune_from_the_front(sqs)
        walk_less(sqs)
    serve(app)


if __name__ == "__main__":
    main()
