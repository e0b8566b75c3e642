"""A real Chromium for tests: the one that CARILLON_CHROMIUM names, or one that is installed; without one they skip."""

from __future__ import annotations

import os
import shutil
import traceback
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Browser, async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARTIFACTS = Path(__file__).parents[1] / "test-artifacts"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser."""
    named = os.environ.get("CARILLON_CHROMIUM")
    if named:
        assert Path(named).exists(), f"CARILLON_CHROMIUM={named} does not exist"
        return named
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium found: install one or name it in CARILLON_CHROMIUM to run the browser tests")
    return found


@asynccontextmanager
async def browsing(executable: str) -> AsyncIterator[Browser]:
    """A headless browser that talks to nobody but the page under test."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        failure = ""
        try:
            yield browser
        except Exception:  # noqa: BLE001 - raised again below
            # as text: pytest looks into the locals of playwright's frames, and CPython 3.13.0 does not survive that
            failure = traceback.format_exc()
        finally:
            await browser.close()
    if failure:
        pytest.fail(failure, pytrace=False)
