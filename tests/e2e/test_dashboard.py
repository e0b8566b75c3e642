"""The forecast page in a real browser, against the whole system: what whoever plans and pays sees of a month."""

from __future__ import annotations

import asyncio
import json
import random
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from playwright.async_api import expect

from carillon import config
from local import product
from local.system import System
from tests.fixtures_browser import ARTIFACTS, browsing

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from playwright.async_api import Browser, Page, Route

DEADLINE_S: Final = 90
WAIT_MS: Final = 15_000
JUNE: Final = "2027-06"
HEAVIEST: Final = "2027-06-19"
QUIET: Final = "2027-06-09"
BY_WEEKDAY: Final = (1, 1, 1, 2, 8, 26, 11)
VENDORS: Final = 8


@pytest.fixture(scope="module")
def system(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system with a June of weddings, in an account that was granted little; asks for the browser first."""
    del chromium
    places = product.places

    def with_little(**given: Any) -> Mapping[str, str]:
        little = config.environment(config.CapacitySettings, connects_s="3", budget_usd="25", time_zone="Europe/Lisbon")
        return {**places(**given), **little}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product, "places", with_little)
        with System.running(tmp_path_factory.mktemp("dashboard") / "data") as running:
            seed(running.api_url)
            yield running


def weddings() -> Iterator[dict[str, Any]]:
    """A June as it comes: most on Saturdays, one of them fuller than the others, each with a team."""
    drawn = random.Random(2027)
    for number in range(30):
        day = date(2027, 6, 1) + timedelta(days=number)
        count = 40 if day.isoformat() == HEAVIEST else BY_WEEKDAY[day.weekday()]
        for place in range(0 if day.isoformat() == QUIET else count):
            wedding = f"{day}-{place}"
            told = {"wedding_name": f"Wedding {place + 1}", "starts_at": f"{day} {drawn.choice((14, 15, 16))}:00"}
            yield {
                "wedding_id": wedding,
                **told,
                "wedding_time_zone": "Europe/Lisbon",
                "guests": drawn.choice((60, 90, 120, 180, 260)),
            }
            for who in drawn.sample(range(60), drawn.randint(4, VENDORS)):
                yield {"wedding_id": wedding, "user_id": f"v{who}", "name": f"Vendor {who}", "role": "vendor"}


def seed(api_url: str) -> None:
    lines = "".join(f"{json.dumps(row)}\n" for row in weddings())
    with httpx.Client(base_url=api_url, timeout=60) as http:
        scopes = {"sub": "seed", "scopes": ["directory:write"]}
        token = http.post("/dev/token", json=scopes).raise_for_status().json()["token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        told = http.post("/v1/import", content=lines, headers=headers).raise_for_status().json()
        assert not told["bad"]


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, DEADLINE_S))


async def dashboard(browser: Browser, system: System, place: str = JUNE, width: int = 1280, height: int = 900) -> Page:
    """The page at a month or day, which must not complain about anything of its own."""
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    page.on("console", lambda line: _silent(line.text))
    await page.goto(f"{system.api_url}/dashboard/#{place}")
    await ready(page)
    return page


def _silent(line: str) -> None:
    assert "Content Security Policy" not in line, line


async def ready(page: Page) -> None:
    await expect(page.locator("#forecast")).to_have_attribute("aria-busy", "false", timeout=WAIT_MS)


async def picture(page: Page, name: str, *, whole: bool = False) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(animations="disabled", path=ARTIFACTS / f"dashboard-{name}.png", full_page=whole)


def number(text: str) -> float:
    return float(re.sub(r"[^0-9.]", "", text))


def test_a_month_shows_its_heaviest_day_by_the_measure_that_is_asked_for(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await dashboard(browser, system)
            await expect(page.locator("h1#title")).to_have_text("June 2027")
            await expect(page.locator(".day")).to_have_count(30)
            await expect(page.locator("#weekdays th")).to_have_text(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
            assert await page.locator("#weeks tr").first.locator("td").nth(1).inner_text() != "", "1 June is a Tuesday"
            count = sum("wedding_name" in row for row in weddings())
            await expect(page.locator("#totals .tile").first.locator("strong")).to_have_text(str(count))

            dark = page.locator(".day.shade-6")
            await expect(dark).to_have_count(1)
            await expect(dark).to_have_attribute("data-day", HEAVIEST)
            await expect(page.locator(f"[data-day='{HEAVIEST}']")).to_have_accessible_name(
                re.compile(r"^Saturday,? 19 June 2027: [0-9,]+ phones at most; 40 weddings; over a quota")
            )
            await expect(page.locator(f"[data-day='{QUIET}'] .sign")).to_have_count(0)
            await expect(page.locator("#panel")).to_contain_text("Sat 19 June")
            await expect(page.locator("#panel .warning.cut")).to_contain_text("Cut by the month's budget")
            await expect(page.locator(".gauge")).to_have_attribute("aria-valuetext", re.compile("%$"))
            await picture(page, "1280")

            heaviest = page.locator(f"[data-day='{HEAVIEST}'] strong")
            for measure, said in {"cost": "$", "messages": "k", "weddings": "40"}.items():
                await page.check(f"[name=measure][value={measure}]", force=True)
                await expect(heaviest).to_contain_text(said)
            await expect(page.locator(f"[data-day='{QUIET}']")).to_have_class(re.compile("nothing"))
            await expect(page.locator("#measured")).to_have_text("Weddings on the day")
            await picture(page, "1280-weddings")
            await page.reload()
            await expect(heaviest).to_have_text("40")

    run(work())


def test_a_day_opens_from_its_cell_its_address_and_the_keyboard(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await dashboard(browser, system)
            await page.click(f"[data-day='{HEAVIEST}']")
            panel = page.locator("#panel")
            await expect(panel.locator("h2")).to_have_text(re.compile("Saturday,? 19 June 2027"))
            await expect(panel).to_contain_text("Ask AWS by 5 June 2027")
            await expect(panel).to_contain_text("New connections a second")
            await expect(panel).to_contain_text(re.compile(r"API\s*[0-9]+ tasks?"))
            parts = [number(text) for text in await panel.locator(".costs dd").all_inner_texts()]
            assert abs(sum(parts[:3]) - parts[3]) < 0.03, parts
            assert page.url.endswith(f"#{HEAVIEST}")
            await picture(page, "1280-day")

            await page.reload()
            await expect(panel.locator("h2")).to_have_text(re.compile("19 June 2027"))
            await page.keyboard.press("Escape")
            await expect(panel.locator("h2")).to_have_text("To know")
            for key in ("ArrowDown", "ArrowLeft", "Enter"):
                await page.keyboard.press(key)
            await expect(panel.locator("h2")).to_have_text(re.compile("Friday,? 25 June 2027"))
            await page.go_back()
            await expect(panel.locator("h2")).to_have_text("To know")

    run(work())


def test_the_month_is_turned_and_one_that_is_empty_or_refused_says_so(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await dashboard(browser, system)
            await page.click("#next")
            await expect(page.locator("#title")).to_have_text("July 2027")
            await expect(page.locator("#empty")).to_contain_text("No weddings in July 2027")
            await expect(page.locator(".day")).to_have_count(31)
            assert page.url.endswith("#2027-07")
            await picture(page, "1280-empty")
            await page.select_option("#month-of-year", "06")
            await expect(page.locator("#empty")).to_be_hidden()

            arrived = asyncio.Event()

            async def late(route: Route) -> None:
                await arrived.wait()
                await route.continue_()

            await page.route("**/v1/ops/forecast?month=2027-08", late)
            async with page.expect_response("**/v1/ops/forecast?month=2027-08") as answer:
                await page.evaluate("location.hash = '2027-08'")
                await expect(page.locator("#forecast")).to_have_attribute("aria-busy", "true")
                await page.evaluate("location.hash = '2027-06'")
                await ready(page)
                arrived.set()
            await (await answer.value).finished()
            await page.evaluate("fetch('/healthz').then((next) => next.text())")  # the page has had its turn with it
            await expect(page.locator(".day")).to_have_count(30)
            await page.focus(f"[data-day='{QUIET}']")
            await page.keyboard.press("PageUp")
            await expect(page.locator("#title")).to_have_text("May 2027")
            await expect(page.locator("[data-day='2027-05-09']")).to_be_focused()

            await page.goto(f"{system.api_url}/dashboard/#2101-01")
            await expect(page.locator("#failure")).to_have_text(re.compile("^month: '2101-01' is no month"))
            await expect(page.locator("#seen")).to_be_hidden()
            await picture(page, "1280-failed")
            await page.select_option("#year", "2027")
            await expect(page.locator("#title")).to_have_text("January 2027")
            await expect(page.locator("#seen")).to_be_visible()
            await expect(page.locator("#failed")).to_be_hidden()

    run(work())


def test_on_a_phones_width_nothing_is_cut_off(system: System, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await dashboard(browser, system, width=390, height=844)
            await picture(page, "390", whole=True)
            await page.click(f"[data-day='{HEAVIEST}']")
            await expect(page.locator("#panel-title")).to_be_in_viewport()
            await picture(page, "390-day")
            assert await page.evaluate("document.documentElement.scrollWidth") == 390
            cells = page.locator(".day strong")
            assert await cells.evaluate_all("all => all.filter(one => one.scrollWidth > one.clientWidth).length") == 0

    run(work())
