"""A browser for the tests: the system's Chromium, driven by Playwright, which fetches nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# MLflow 3.17 opens a panel of its assistant over a third of the page at the first visit.
NO_ASSISTANT = """
if (window === window.top && location.protocol === "http:") {
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
}
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        pytest.skip(f"no {' or '.join(CHROMIUM_NAMES)} on the path; on Debian: apt-get install chromium")
    driver = pytest.importorskip("playwright.sync_api", reason="uv run --group browser pytest installs Playwright")
    with driver.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1500, "height": 1000})
    opened.add_init_script(NO_ASSISTANT)
    opened.set_default_timeout(45_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A new page; the test fails if one of Apertune's scripts raises in it."""
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    assert errors == []


@pytest.fixture
def photograph(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Saves a picture of the page for a person to look at, in the folder APERTUNE_SCREENSHOTS if it is set."""
    folder = os.environ.get("APERTUNE_SCREENSHOTS")

    def take(name: str) -> None:
        if folder:
            page.screenshot(path=Path(folder) / f"{request.node.name}-{name}.png")

    return take
