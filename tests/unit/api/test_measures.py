"""What the API counted is written while it runs and when it ends."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

from api.app import create_app
from api.measures import Measures
from api.services import Services
from carillon import testing
from carillon.config import ApiSettings
from carillon.testing.sockets import CountingMetrics


def test_it_writes_again_and_again_whatever_went_wrong() -> None:
    third, rounds = threading.Event(), 0

    def flush() -> None:
        nonlocal rounds
        rounds += 1
        if rounds >= 3:
            third.set()
        raise BrokenPipeError

    measures = Measures(flush, 0.001)
    measures.start()
    assert third.wait(5), "the first failure ended it"
    measures.stop()


def test_what_was_counted_last_is_written_at_the_end() -> None:
    written: list[str] = []
    measures = Measures(lambda: written.append("flushed"), 3600)
    measures.start()
    measures.stop()
    assert written == ["flushed"]


def test_the_api_writes_its_numbers_even_where_it_does_not_relay() -> None:
    class Written(CountingMetrics):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    world = testing.World()
    metrics = Written(world)
    ports = replace(testing.ports(world), metrics=metrics)
    nothing: Any = None
    app = create_app(Services(ports, nothing, nothing, nothing, ApiSettings(relay=False), *[nothing] * 4))

    async def run() -> None:
        async with app.router.lifespan_context(app):
            assert metrics.flushes == 0

    asyncio.run(run())
    assert metrics.flushes == 1
