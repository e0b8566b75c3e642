"""The JavaScript client: the shared scenarios in Chromium and in node, and its driver on real sockets in Chromium."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from carillon.model import Lane
from tests.fixtures_browser import browsing
from tests.integration.fake_inbox import FakeInbox, Route, token

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from playwright.async_api import Page

ROOT = Path(__file__).parents[2]
KINDS = {".js": "text/javascript", ".json": "application/json", ".html": "text/html; charset=utf-8"}
FOLDERS = {"/client/": ROOT / "web/client", "/scenarios/": ROOT / "tests/scenarios"}
DEADLINE_S = 60
PHONE = """
async ([url, bearer]) => {
    const { InboxClient } = await import("/client/carillon.js");
    window.shown = [];
    window.states = [];
    window.others = [];
    window.inbox = new InboxClient({ url, token: async () => bearer, storageKey: "ann", jitter: () => 0.05 });
    inbox.addEventListener("event", ({ detail }) => shown.push(detail.event.event_id));
    inbox.addEventListener("reminder", ({ detail }) => others.push(`reminder ${detail.event.event_id}`));
    inbox.addEventListener("retraction", ({ detail }) => others.push(`retraction ${detail.event_id}`));
    inbox.addEventListener("state", ({ detail }) => states.push(detail.name));
    inbox.start();
}
"""

T = TypeVar("T")


def pages(path: str) -> Route | None:
    """Serve the client and the scenarios as the API does."""
    if path == "/":
        return 200, KINDS[".html"], b"<!doctype html><title>test</title>"
    for prefix, folder in FOLDERS.items():
        file = folder / path.removeprefix(prefix)
        if path.startswith(prefix) and file.is_file():
            return 200, KINDS[file.suffix], file.read_bytes()
    return None


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, DEADLINE_S))


async def phone(page: Page, fake: FakeInbox) -> None:
    """Open the page and start a client in it."""
    await page.goto(f"http://127.0.0.1:{fake.port}/")
    await page.evaluate(PHONE, [fake.url, token("ann")])
    await page.wait_for_function("inbox.state === 'live'")


async def shown(page: Page, event_ids: list[str]) -> None:
    """Wait until as many events are shown, and compare them."""
    await page.wait_for_function("count => shown.length >= count", arg=len(event_ids))
    assert await page.evaluate("shown") == event_ids


def test_scenarios_in_node() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node found: the scenarios run in Chromium alone")
    done = subprocess.run(
        [node, str(ROOT / "tests/scenarios/main.js")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(" 0 failures")


def failures_in(chromium: str, document: dict[str, Any]) -> list[Any]:
    """What the JavaScript session does otherwise than the scenarios of this document say, in a real browser."""

    async def work() -> list[Any]:
        async with FakeInbox(routes=pages) as fake, browsing(chromium) as browser:
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{fake.port}/")
            found: list[Any] = await page.evaluate(
                """async (document) => {
                    const { failures } = await import("/scenarios/runner.js");
                    const { Session } = await import("/client/session.js");
                    return failures(document, Session);
                }""",
                document,
            )
            return found

    return run(work())


def test_scenarios_in_chromium(chromium: str) -> None:
    document = json.loads((ROOT / "tests/scenarios/session.json").read_text(encoding="utf-8"))
    assert failures_in(chromium, document) == []


def test_a_wrong_expectation_fails_the_javascript_runner(chromium: str) -> None:
    scenario = {"name": "wrong", "steps": [{"at": 0, "do": "start", "expect": []}], "position": None, "statistics": {}}
    assert len(failures_in(chromium, {"defaults": {}, "scenarios": [scenario]})) == 1


def test_driver_shows_acks_asks_and_survives_a_broken_line(chromium: str) -> None:
    async def work() -> None:
        async with FakeInbox(routes=pages, page=2) as fake, browsing(chromium) as browser:
            page = await browser.new_page()
            await phone(page, fake)
            await fake.send("ann", Lane.CRITICAL, "c1")
            fake.lose = 1
            await fake.send("ann", Lane.NORMAL, "n1")
            await fake.send("ann", Lane.NORMAL, "n2")
            await shown(page, ["c1", "n1", "n2"])
            await fake.end("ann", 1006)
            for number in range(3, 8):
                await fake.send("ann", Lane.NORMAL, f"n{number}")
            await shown(page, ["c1", "n1", "n2", "n3", "n4", "n5", "n6", "n7"])
            event = fake.person("ann").log[Lane.CRITICAL][0]
            await page.wait_for_function("inbox.state === 'live'")
            await fake.post("ann", event, attempt=2)
            await fake.send("ann", Lane.CRITICAL, "r1", name="retracted", data={"event_id": "c1"})
            await page.wait_for_function("others.length === 2")
            assert await page.evaluate("others") == ["reminder c1", "retraction c1"]
            assert fake.person("ann").acked[Lane.CRITICAL] >= 1
            statistics = await page.evaluate("inbox.statistics")
            assert statistics["gaps"] == 1
            assert statistics["reconnects"] == 1

    run(work())


def test_a_reload_goes_on_where_the_page_was(chromium: str) -> None:
    async def work() -> None:
        async with FakeInbox(routes=pages) as fake, browsing(chromium) as browser:
            page = await browser.new_page()
            await phone(page, fake)
            await fake.send("ann", Lane.LOW, "l1")
            await shown(page, ["l1"])
            await page.goto("about:blank")
            await fake.send("ann", Lane.LOW, "l2")
            fake.person("ann").acked[Lane.LOW] = 0
            await phone(page, fake)
            await shown(page, ["l2"])

    run(work())


def test_waking_brings_what_the_line_lost(chromium: str) -> None:
    async def work() -> None:
        async with FakeInbox(routes=pages) as fake, browsing(chromium) as browser:
            page = await browser.new_page()
            await phone(page, fake)
            fake.lose = 1
            await fake.send("ann", Lane.HIGH, "h1")
            await page.evaluate("window.dispatchEvent(new Event('online'))")
            await shown(page, ["h1"])

    run(work())


def test_a_terminal_code_stops_and_start_comes_back(chromium: str) -> None:
    async def work() -> None:
        async with FakeInbox(routes=pages) as fake, browsing(chromium) as browser:
            page = await browser.new_page()
            await phone(page, fake)
            await fake.end("ann", 4001)
            await page.wait_for_function("inbox.state === 'stopped'")
            await page.evaluate("window.dispatchEvent(new Event('online'))")
            assert await page.evaluate("inbox.state") == "stopped"
            await page.evaluate("inbox.start()")
            await page.wait_for_function("inbox.state === 'live'")
            assert await page.evaluate("states") == [
                "connecting",
                "recovering",
                "live",
                "stopped",
                "connecting",
                "recovering",
                "live",
            ]

    run(work())
