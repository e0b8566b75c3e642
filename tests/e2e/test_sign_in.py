"""Signing in to the console with an OpenID Connect issuer, in a real browser against the whole system."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest
from playwright.async_api import expect

from carillon import config
from carillon.names import Scope
from local import ports, product
from local.system import System
from tests.e2e.sign_in_issuer import CLIENT, Issuer, issuing
from tests.fixtures_browser import ARTIFACTS, browsing

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping

    from playwright.async_api import Browser, Page

DEADLINE_S: Final = 90
WAIT_MS: Final = 15_000
EVERYTHING: Final = [str(scope) for scope in Scope]
PEOPLE: Final = {"pia": ("Pia Moreau", "planner"), "gus": ("Gus Okafor", "guest")}


@pytest.fixture(scope="module")
def issuer(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """Asks for the browser first, to skip before anything starts."""
    with issuing(tmp_path_factory.mktemp("issuer")) as running:
        yield running


@pytest.fixture(scope="module")
def system(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system, trusting that issuer as it would trust Cognito."""
    places = product.places

    def with_issuer(**given: Any) -> Mapping[str, str]:
        trusted = config.environment(
            config.TokenSettings,
            issuer=issuer.url,
            jwks_url=issuer.jwks_url,
            audience=CLIENT,
            subject_claim="username",
            scope_claim="cognito:groups",
        )
        signing = config.environment(config.ApiSettings, sign_in_client=CLIENT, sign_in_scope="openid")
        return {**places(**given), **trusted, **signing}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(product, "places", with_issuer)
        with System.running(tmp_path_factory.mktemp("sign-in") / "data") as running:
            issuer.console, issuer.dashboard = (f"{running.api_url}/{page}/" for page in ("console", "dashboard"))
            seed(running.api_url, issuer.access("seed", EVERYTHING))
            yield running


def seed(api_url: str, token: str) -> None:
    with httpx.Client(base_url=api_url, timeout=20, headers={"Authorization": f"Bearer {token}"}) as http:
        wedding = {"name": "Ann & Bo", "starts_at": "2027-06-12T15:00:00+01:00", "time_zone": "Europe/Lisbon"}
        http.put("/v1/weddings/W1", json=wedding).raise_for_status()
        for user, (name, role) in PEOPLE.items():
            person = {"name": name, "role": role, "time_zone": "Europe/Lisbon"}
            http.put(f"/v1/users/{user}", json=person).raise_for_status()
            http.put(f"/v1/weddings/W1/team/{user}", json={"role": role}).raise_for_status()


@pytest.fixture(autouse=True)
def _anew(issuer: Issuer) -> None:
    issuer.person = {"username": "pia", "name": "Pia M.", "groups": [*EVERYTHING, "florists of Lisbon"]}
    issuer.life_s, issuer.refuse_refresh = 3600, False


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, DEADLINE_S))


async def opened(browser: Browser, system: System, width: int = 1280, height: int = 900) -> Page:
    context = await browser.new_context(viewport={"width": width, "height": height}, locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("pageerror", lambda error: pytest.fail(f"the page raised {error}"))
    await page.goto(f"{system.api_url}/console/")
    return page


async def sign_in(page: Page) -> None:
    await page.get_by_role("button", name="Sign in").click()
    await page.click("#allow")


async def live(page: Page) -> None:
    await expect(page.locator(".phone .state")).to_have_attribute("data-state", "live", timeout=WAIT_MS)


async def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(animations="disabled", path=ARTIFACTS / f"sign-in-{name}.png")


def test_a_planner_signs_in_sends_listens_and_leaves(system: System, issuer: Issuer, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await opened(browser, system)
            await expect(page.locator("#gate-text")).to_contain_text(issuer.url.removeprefix("http://"))
            await expect(page.locator("main")).to_be_hidden()
            await picture(page, "1280-gate")
            await sign_in(page)

            await expect(page.locator("#account-name")).to_have_text("Pia Moreau")
            await expect(page.locator("#account-id")).to_have_text("pia")
            await live(page)
            assert page.url == issuer.console, "a code stays in no address"
            await expect(page.locator("#find")).to_be_hidden()
            await page.check("[name=priority][value=critical]")
            await page.fill("[name=name]", "timeline.shifted")
            await expect(page.locator("#preview")).to_contain_text("Reaches 2 people", timeout=WAIT_MS)
            await page.click("#composer button[type=submit]")
            await expect(page.locator(".phone[data-user=pia] .event h4")).to_have_text("Timeline shifted")
            await expect(page.locator("#broadcasts .counts").first).to_contain_text("1 of 2 acked", timeout=WAIT_MS)
            await picture(page, "1280")

            await page.reload()
            await live(page)
            await expect(page.locator("#account-name")).to_have_text("Pia Moreau")

            await page.get_by_role("button", name="Sign out").click()
            await expect(page.locator("#gate")).to_be_visible()
            assert page.url == issuer.console
            assert len(issuer.revoked) == 1
            assert await page.evaluate("sessionStorage.length + localStorage.length") == 0
            await page.reload()
            await expect(page.locator("#gate")).to_be_visible()

    run(work())


def test_the_forecast_signs_in_and_keeps_the_day_that_was_asked_for(
    system: System, issuer: Issuer, chromium: str
) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await opened(browser, system)
            await page.goto(f"{issuer.dashboard}#2027-06-12")
            await expect(page.locator("#forecast")).to_be_hidden()
            await sign_in(page)
            await expect(page.locator("#panel h2")).to_contain_text("12 June 2027")
            await expect(page.locator("#account-name")).to_have_text("Pia Moreau")
            assert page.url == f"{issuer.dashboard}#2027-06-12"
            await picture(page, "1280-forecast")

            await page.get_by_role("link", name="Console").click()
            await live(page)
            await page.get_by_role("link", name="Forecast").click()
            await page.get_by_role("button", name="Sign out").click()
            await expect(page.locator("#gate")).to_be_visible()
            assert page.url == issuer.dashboard

            issuer.person = {"username": "gus", "name": "Gus O.", "groups": []}
            await page.set_viewport_size({"width": 390, "height": 844})
            await sign_in(page)
            await expect(page.locator("#failure")).to_contain_text("ops:read")
            await picture(page, "390-forecast")
            assert await page.evaluate("document.documentElement.scrollWidth") == 390

    run(work())


def test_a_phone_outlives_its_tokens_without_a_new_connection(system: System, issuer: Issuer, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            refreshed = asyncio.Semaphore(0)

            def sent(frame: bytes | str) -> None:
                if '"refresh"' in str(frame):
                    refreshed.release()

            issuer.life_s = 6
            page = await opened(browser, system)
            page.on("websocket", lambda socket: socket.on("framesent", sent))
            before = issuer.renewals
            await sign_in(page)
            await live(page)
            for _ in range(2):
                await refreshed.acquire()
            assert issuer.renewals >= before + 2
            await live(page)
            await expect(page.locator(".phone .figures")).not_to_contain_text("reconnect")

    run(work())


def test_an_issuer_that_ends_the_sign_in_brings_the_gate_back(system: System, issuer: Issuer, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            issuer.life_s = 4
            page = await opened(browser, system)
            await sign_in(page)
            await live(page)
            issuer.refuse_refresh = True
            await expect(page.locator("#gate-problem")).to_contain_text("has ended", timeout=2 * WAIT_MS)
            await expect(page.locator(".phone")).to_have_count(0)
            issuer.life_s, issuer.refuse_refresh = 3600, False
            await sign_in(page)
            await live(page)

    run(work())


def test_an_answer_that_nobody_asked_for_is_not_taken(system: System, issuer: Issuer, chromium: str) -> None:
    """Somebody who makes a planner follow a link of theirs would else have her work in their account."""

    async def work() -> None:
        async with browsing(chromium) as browser:
            theirs = await opened(browser, system)
            await theirs.get_by_role("button", name="Sign in").click()
            async with theirs.expect_request(re.compile(r"/console/\?")) as asked:
                await theirs.route(re.compile(r"/console/\?"), lambda route: route.abort())
                await theirs.click("#allow", no_wait_after=True)
            link = (await asked.value).url
            assert "code=" in link

            page = await opened(browser, system)
            await page.get_by_role("button", name="Sign in").click()
            await page.wait_for_selector("#allow")
            await page.goto(link)
            await expect(page.locator("#gate-problem")).to_contain_text("no sign-in that this tab began")
            await expect(page.locator("#account")).to_be_hidden()
            assert page.url == issuer.console
            assert await page.evaluate("sessionStorage.length") == 0

    run(work())


def test_who_says_no_and_an_issuer_that_is_away_are_told_apart(system: System, issuer: Issuer, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            page = await opened(browser, system)
            await page.get_by_role("button", name="Sign in").click()
            await page.click("#deny")
            await expect(page.locator("#gate-problem")).to_contain_text("did not let you in: You pressed No.")
            await page.route(f"{issuer.url}/**", lambda route: route.abort())
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.locator("#gate-problem")).to_contain_text("cannot be reached")
            await page.unroute(f"{issuer.url}/**")
            await sign_in(page)
            await live(page)

    run(work())


def test_a_guest_listens_and_a_stranger_is_told_so(system: System, issuer: Issuer, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            issuer.person = {"username": "gus", "name": "Gus O.", "groups": []}
            page = await opened(browser, system, width=390, height=844)
            await picture(page, "390-gate")
            await sign_in(page)
            await live(page)
            await expect(page.locator("#own-only")).to_contain_text("You may listen here")
            await expect(page.locator("#composer")).to_be_hidden()
            await picture(page, "390-guest")
            assert await page.evaluate("document.documentElement.scrollWidth") == 390

            issuer.person = {"username": "nobody", "name": "N. O. Body", "groups": EVERYTHING}
            page = await opened(browser, system, width=390, height=844)
            await sign_in(page)
            await expect(page.locator("#account-name")).to_have_text("N. O. Body")
            await expect(page.locator("#no-phones-text")).to_contain_text("nobody with the id nobody")
            await picture(page, "390-stranger")
            await page.click(".tabs [data-tab=send]")
            await picture(page, "390-send")
            assert await page.evaluate("document.documentElement.scrollWidth") == 390

    run(work())


def test_the_command_line_signs_in_too(system: System, issuer: Issuer, chromium: str) -> None:
    async def work() -> None:
        async with browsing(chromium) as browser:
            port = ports.any_free()
            issuer.program = f"http://localhost:{port}/"
            argv = ["-m", "carillon.cli", "--api", system.api_url, "token", "--sign-in", "--port", str(port)]
            pipe = asyncio.subprocess.PIPE
            command = await asyncio.create_subprocess_exec(sys.executable, *argv, stdout=pipe, stderr=pipe)
            try:
                assert command.stderr
                await command.stderr.readuntil(b"\n\n")
                address = (await command.stderr.readline()).decode().strip()
                page = await browser.new_page()
                await page.goto(address)
                await page.click("#allow")
                await expect(page.locator("body")).to_contain_text("You may close this page")
                output, _ = await command.communicate()
            finally:
                if command.returncode is None:
                    command.kill()
                    await command.wait()
            headers = {"Authorization": f"Bearer {output.decode().strip()}"}
            async with httpx.AsyncClient(base_url=system.api_url, headers=headers) as http:
                me = (await http.get("/v1/users/pia")).raise_for_status().json()
            assert (command.returncode, me["name"]) == (0, "Pia Moreau")

    run(work())
