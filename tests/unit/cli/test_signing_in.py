"""What the command line takes from a browser, and what it does not."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from carillon.cli import signing_in
from carillon.cli.errors import CommandError, Exit
from carillon.cli.signing_in import sign_in
from local import ports
from tests.e2e.sign_in_issuer import CLIENT, Issuer, issuing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Browser:
    """Does in a thread what a person does with the address they are shown."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.port = ports.any_free()
        self.pages: list[httpx.Response] = []
        self._threads: list[threading.Thread] = []
        issuer.program = f"http://localhost:{self.port}/"

    def sign_in(self, act: Callable[[httpx.Client, str], httpx.Response], **config: str) -> str:
        told = {"issuer": self.issuer.url, "client_id": CLIENT, "scope": "openid", "audience": ""} | config

        def visit(address: str) -> None:
            with httpx.Client(follow_redirects=True, timeout=10) as http:
                self.pages.append(act(http, address))

        def tell(address: str) -> None:
            thread = threading.Thread(target=visit, args=(address,))
            thread.start()
            self._threads.append(thread)

        try:
            return sign_in(told, tell, port=self.port)
        finally:
            for thread in self._threads:
                thread.join(10)

    def press(self, button: str) -> Callable[[httpx.Client, str], httpx.Response]:
        return lambda http, address: http.get(address.replace("/authorize?", f"/{button}?"))

    def come_back(self, query: str) -> Callable[[httpx.Client, str], httpx.Response]:
        return lambda http, _address: http.get(f"{self.issuer.program}?{query}")


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with issuing(tmp_path) as issuer:
        yield Browser(issuer)


def test_whoever_says_yes_gets_a_token_and_a_page_to_close(browser: Browser) -> None:
    assert browser.sign_in(browser.press("allow")).count(".") == 2
    assert "close this page" in browser.pages[0].text


def test_the_issuer_is_asked_with_a_challenge_and_never_with_the_verifier(browser: Browser) -> None:
    asked: list[str] = []

    def look(http: httpx.Client, address: str) -> httpx.Response:
        asked.append(address)
        return browser.press("allow")(http, address)

    browser.sign_in(look, audience="api://carillon")
    query = parse_qs(urlsplit(asked[0]).query)
    assert (query["code_challenge_method"], query["audience"]) == (["S256"], ["api://carillon"])
    assert "code_verifier" not in query


def test_whoever_says_no_is_told_so(browser: Browser) -> None:
    with pytest.raises(CommandError, match="You pressed No") as caught:
        browser.sign_in(browser.press("deny"))
    assert caught.value.exit_code == Exit.REFUSED


@pytest.mark.parametrize("query", ["code=x", "code=x&state=other", "error=access_denied&state=", "code=x&state=%C3%A9"])
def test_an_answer_to_another_sign_in_is_not_taken(browser: Browser, query: str) -> None:
    with pytest.raises(CommandError, match="another sign-in"):
        browser.sign_in(browser.come_back(query))


def test_a_made_up_code_gives_no_token(browser: Browser) -> None:
    def forge(http: httpx.Client, address: str) -> httpx.Response:
        (state,) = parse_qs(urlsplit(address).query)["state"]
        return http.get(f"{browser.issuer.program}?code=made-up&state={state}")

    with pytest.raises(CommandError, match="invalid_grant"):
        browser.sign_in(forge)


def test_a_browser_s_own_questions_do_not_end_the_wait(browser: Browser) -> None:
    def curious(http: httpx.Client, address: str) -> httpx.Response:
        assert http.get(f"{browser.issuer.program}favicon.ico").status_code == 404
        return browser.press("allow")(http, address)

    assert browser.sign_in(curious)


def test_an_issuer_that_calls_itself_otherwise_is_not_trusted(browser: Browser) -> None:
    with pytest.raises(CommandError, match="does not describe itself"):
        browser.sign_in(browser.press("allow"), issuer=f"{browser.issuer.url}/")


def test_an_issuer_that_is_away_is_an_outage(browser: Browser) -> None:
    with pytest.raises(CommandError) as caught:
        browser.sign_in(browser.press("allow"), issuer=f"http://127.0.0.1:{ports.any_free()}")
    assert caught.value.exit_code == Exit.UNAVAILABLE


def test_a_port_that_is_taken_is_named(browser: Browser) -> None:
    with socket.create_server(("127.0.0.1", browser.port)), pytest.raises(CommandError, match=str(browser.port)):
        browser.sign_in(browser.press("allow"))


def test_nobody_waits_for_ever(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in, "_PATIENCE_S", 0.05)
    with pytest.raises(CommandError, match="nobody signed in"):
        browser.sign_in(lambda http, _address: http.get(browser.issuer.url))
