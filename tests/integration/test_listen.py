"""`carillon listen` with its real client against a server that breaks on demand."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from carillon.cli import main
from carillon.cli.errors import CommandError, Exit
from carillon.model import Lane
from tests.integration.fake_inbox import FakeInbox, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def _inbox(events: int = 0, refuse: int | None = None) -> Iterator[FakeInbox]:
    """A server in a thread of its own, because the command wants the main one; with events for ann."""
    fake, loop, ready = FakeInbox(refuse=refuse), asyncio.new_event_loop(), threading.Event()
    ended = asyncio.Event()

    async def live() -> None:
        async with fake:
            for number in range(1, events + 1):
                await fake.send("ann", Lane.NORMAL, f"b{number}")
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    try:
        assert ready.wait(10)
        yield fake
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARILLON_API_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CARILLON_TOKEN", token("ann"))


def _listen(fake: FakeInbox, *typed: str) -> int:
    return main(["listen", "--user", "ann", "--json", "--websocket", fake.url, *typed])


def _until(done: Callable[[], bool]) -> None:
    deadline, never = time.monotonic() + 10, threading.Event()
    while not done():
        assert time.monotonic() < deadline
        never.wait(0.01)


def _offsets(capsys: pytest.CaptureFixture[str]) -> list[int]:
    return [json.loads(line)["offset"] for line in capsys.readouterr().out.splitlines()]


def test_a_count_ends_in_the_middle_of_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    with _inbox(events=3) as fake:
        assert _listen(fake, "--count", "2", "--state", "ann.json") == 0
        assert _offsets(capsys) == [1, 2]
        _until(lambda: fake.person("ann").acked[Lane.NORMAL] > 0)
        assert fake.person("ann").acked[Lane.NORMAL] == 2, "what was not shown is not acked"
        assert _listen(fake, "--count", "1", "--state", "ann.json") == 0
        assert _offsets(capsys) == [3], "the next time begins with what was not shown"


def test_it_comes_back_when_the_api_was_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[Any] = [CommandError(Exit.UNAVAILABLE, "unavailable", "the API is away"), token("ann")]

    def mint(*_: Any) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.delenv("CARILLON_TOKEN")
    monkeypatch.setattr("carillon.cli.client.Api.mint", mint)
    with _inbox(events=1) as fake:
        assert _listen(fake, "--count", "1") == 0
    told = capsys.readouterr()
    assert [json.loads(line)["offset"] for line in told.out.splitlines()] == [1]
    assert "-- waiting (no token: the API is away)" in told.err


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_ends_it(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    with _inbox(refuse=status) as fake:
        assert _listen(fake) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert f"the server refused the connection ({status})" in told.err


def test_a_server_that_ends_it_for_good_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def erased(fake: FakeInbox, socket: Any, *_: Any) -> None:
        del fake
        await socket.close(4002)

    monkeypatch.setattr(FakeInbox, "_answer", erased)
    with _inbox() as fake:
        assert _listen(fake) == 3
    assert "the server ended the connection: closed 4002" in capsys.readouterr().err
