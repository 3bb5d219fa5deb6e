"""The documentation's site, built as CI builds it and seen as a person sees it. It needs MkDocs and a browser."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from programs import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

WIDTHS = {"desktop": 1280, "phone": 390}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """A server of files that prints nothing."""

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of the built site, and its pages."""
    pytest.importorskip("mkdocs", reason="uv run --group docs pytest installs MkDocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        pages = sorted(page.parent.relative_to(folder).as_posix() for page in folder.rglob("index.html"))
        yield f"http://127.0.0.1:{server.server_port}", pages
        server.shutdown()


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_every_page_fits_and_fetches_nothing_from_elsewhere(
    site: tuple[str, list[str]], page: Page, photograph: Callable[[str], None], width: int
) -> None:
    """No page is wider than the window, lacks a picture, asks another host, or has a list as text or a dead link."""
    address, pages = site
    assert len(pages) > 20
    elsewhere: list[str] = []
    linked: set[str] = set()
    page.on(
        "request", lambda request: None if request.url.startswith((address, "data:")) else elsewhere.append(request.url)
    )
    page.set_viewport_size({"width": width, "height": 900})
    for name in pages:
        page.goto(f"{address}/{name}/")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)"), name
        left = page.evaluate(
            "[...document.querySelectorAll('article p')].map(one => one.textContent)"
            ".filter(text => /^\\s*(- |1\\. |```)/m.test(text))"
        )
        assert left == [], name
        linked |= set(page.evaluate("[...document.links].map(one => one.href.split('#')[0])"))
        photograph(name.replace("/", "-"))
    inside = {link for link in linked if link.startswith(address)}
    assert len(inside) > 20
    assert [link for link in sorted(inside) if not page.request.get(link).ok] == []
    assert elsewhere == []
