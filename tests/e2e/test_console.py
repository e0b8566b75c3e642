"""The console in a real browser, against the whole system: what a planner and her people see."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from playwright.async_api import expect

from local.system import System
from tests.fixtures_browser import ARTIFACTS, browsing

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, Locator, Page

DEADLINE_S: Final = 90
WAIT_MS: Final = 15_000
WEDDING: Final = "W1"
PEOPLE: Final = {
    "ann": ("Ann Lindqvist", "couple"),
    "pia": ("Pia Moreau", "planner"),
    "vic": ("Vic Harlow (Florist)", "vendor"),
    "gus": ("Gus Okafor", "guest"),
}


@pytest.fixture(scope="module")
def system(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system with one wedding of four people; asks for the browser first, to skip before it starts."""
    folder: Path = tmp_path_factory.mktemp("console") / "data"
    with System.running(folder) as running:
        seed(running.api_url)
        yield running


def seed(api_url: str) -> None:
    scopes = {"sub": "seed", "scopes": ["directory:write"]}
    with httpx.Client(base_url=api_url, timeout=20) as http:
        token = http.post("/dev/token", json=scopes).raise_for_status().json()["token"]
        http.headers["Authorization"] = f"Bearer {token}"
        wedding = {"name": "Ann & Bo", "starts_at": "2027-06-12T15:00:00+01:00", "time_zone": "Europe/Lisbon"}
        http.put(f"/v1/weddings/{WEDDING}", json=wedding).raise_for_status()
        for user, (name, role) in PEOPLE.items():
            person = {"name": name, "role": role, "time_zone": "Europe/Lisbon"}
            http.put(f"/v1/users/{user}", json=person).raise_for_status()
            http.put(f"/v1/weddings/{WEDDING}/team/{user}", json={"role": role}).raise_for_status()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, DEADLINE_S))


async def console(browser: Browser, system: System, width: int = 1280, height: int = 900) -> Page:
    """The console, which must not complain about anything of its own."""
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("request", lambda request: _ours(request.url, system))
    await page.goto(f"{system.api_url}/console/")
    await expect(page.locator("#wedding")).to_be_enabled(timeout=WAIT_MS)
    return page


def _ours(url: str, system: System) -> None:
    assert url.startswith((system.api_url, "data:")), f"the page asked somebody else: {url}"


async def pick(page: Page, user: str) -> Locator:
    """Find a person, open their phone, and wait until it is live."""
    await page.fill("#find", user)
    await page.locator("#found button", has_text=PEOPLE[user][0]).click()
    phone = page.locator(f".phone[data-user={user}]")
    await live(phone)
    return phone


async def live(phone: Locator) -> None:
    await expect(phone.locator(".state")).to_have_attribute("data-state", "live", timeout=WAIT_MS)


async def send(page: Page, priority: str, name: str, data: str) -> None:
    await page.check(f"[name=priority][value={priority}]")
    await page.fill("[name=name]", name)
    await page.fill("[name=data]", data)
    await expect(page.locator("#preview")).to_contain_text(re.compile("Reaches [0-9]+ people"), timeout=WAIT_MS)
    await page.click("#composer button[type=submit]")


async def titles(phone: Locator, expected: list[str]) -> None:
    """The events of a phone, newest first."""
    await expect(phone.locator(".event h4")).to_have_text(expected, timeout=WAIT_MS)


async def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(animations="disabled", path=ARTIFACTS / f"console-{name}.png")


def test_who_was_offline_has_what_they_missed(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await console(browser, system)
            ann, vic = await pick(page, "ann"), await pick(page, "vic")
            await send(page, "critical", "timeline.shifted", '{"ceremony": "15:30"}')
            for phone in (ann, vic):
                await titles(phone, ["Timeline shifted"])
                await expect(phone.locator(".event")).to_have_class(re.compile("critical"))
                await expect(phone.locator(".event dd")).to_have_text("15:30")
                await expect(phone.locator(".acked")).to_have_text("✓ acked", timeout=WAIT_MS)

            await vic.get_by_role("button", name="Go offline").click()
            await expect(vic.locator(".state")).to_have_text("offline")
            await send(page, "high", "weather.moved_indoors", '{"where": "Salão Nobre"}')
            await titles(ann, ["Weather moved indoors", "Timeline shifted"])
            await picture(page, "1280-offline")
            await titles(vic, ["Timeline shifted"])

            await vic.get_by_role("button", name="Come back").click()
            await titles(vic, ["Weather moved indoors", "Timeline shifted"])
            sent = page.locator("#broadcasts li").first
            await expect(sent.locator(".counts")).to_contain_text("2 of 4 acked", timeout=WAIT_MS)
            await expect(sent.locator(".left")).to_contain_text("Waiting for", timeout=WAIT_MS)
            await picture(page, "1280")

            await page.reload()
            await live(page.locator(".phone[data-user=vic]"))
            await titles(page.locator(".phone[data-user=vic]"), ["Weather moved indoors", "Timeline shifted"])

    run(work())


def test_taken_back_on_every_phone(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await console(browser, system)
            gus = await pick(page, "gus")
            await send(page, "normal", "dinner.served", '{"hall": "east"}')
            await expect(gus.locator(".event.normal")).to_have_count(1, timeout=WAIT_MS)
            await page.locator("#broadcasts li").first.get_by_role("button", name="Take back").click()
            await expect(gus.locator(".event.normal")).to_have_class(re.compile("retracted"), timeout=WAIT_MS)
            await expect(page.locator("#broadcasts li").first.locator(".counts")).to_contain_text("taken back")

    run(work())


def test_who_does_not_ack_by_hand_is_reminded(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await console(browser, system)
            pia = await pick(page, "pia")
            await pia.get_by_label("Ack by hand").check()
            await live(pia)
            await page.select_option("[name=audience]", "phones")
            await page.check("[name=priority][value=critical]")
            await page.select_option("[name=escalate]", "10")
            await page.fill("[name=name]", "ceremony.delayed")
            await expect(page.locator("#preview")).to_have_text("Reaches 1 person.", timeout=WAIT_MS)
            await page.click("#composer button[type=submit]")
            first = pia.locator(".event").first
            await expect(first.locator("h4")).to_have_text("Ceremony delayed", timeout=WAIT_MS)
            await expect(first.locator(".reminder")).to_have_text("Reminder 1", timeout=2 * WAIT_MS)
            await picture(page, "1280-reminder")
            await first.get_by_role("button", name="Got it").click()
            await expect(first.locator(".acked")).to_have_text("✓ acked", timeout=WAIT_MS)
            await expect(page.locator("#broadcasts li").first.locator(".counts")).to_contain_text("1 of 1 acked")

    run(work())


def test_what_is_wrong_is_said_and_nothing_is_sent(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await console(browser, system)
            await page.fill("[name=data]", "{oops")
            await expect(page.locator("#problem")).to_contain_text("Details are not JSON", timeout=WAIT_MS)
            await expect(page.locator("#composer button[type=submit]")).to_be_disabled()
            await page.fill("[name=data]", "{}")
            await page.fill("[name=name]", "Not A Name")
            await expect(page.locator("#problem")).to_contain_text("/name", timeout=WAIT_MS)

    run(work())


def test_on_a_phones_width_every_part_is_reached_and_nothing_is_cut_off(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await console(browser, system, width=390, height=844)
            await page.click("#one-of-each")
            await expect(page.locator(".state[data-state=live]")).to_have_count(4, timeout=WAIT_MS)
            await page.click(".tabs [data-tab=send]")
            await send(page, "high", "shuttle.leaving", '{"from": "the church", "at": "17:10"}')
            await picture(page, "390-send")
            await page.click(".tabs [data-tab=sent]")
            await expect(page.locator("#broadcasts li").first.locator("h3")).to_have_text("Shuttle leaving")
            await expect(page.locator("#broadcasts li").first.locator(".counts")).to_contain_text(
                "acked", timeout=WAIT_MS
            )
            await picture(page, "390-sent")
            await page.click(".tabs [data-tab=phones]")
            for user in PEOPLE:
                first = page.locator(f".phone[data-user={user}] .event h4").first
                await expect(first).to_have_text("Shuttle leaving", timeout=WAIT_MS)
            await picture(page, "390")
            assert await page.evaluate("document.documentElement.scrollWidth") == 390

    run(work())
