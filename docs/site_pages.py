"""Fits the project's Markdown into the site: MkDocs calls the functions named `on_...`.

Pages that GitHub shows where they lie, such as README.md and benchmarks/RESULTS.md, become pages of the site as they
are; links between files of the repository become links between pages.
"""

from __future__ import annotations

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
# A file outside docs/, and its page.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "benchmarks/RESULTS.md": "measurements.md",
    "mlflow/README.md": "team-server.md",
}
# A folder, and the page that tells about it.
FOLDERS = {"docs/notebooks": "python.md"}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]*)(#[^)\s]*)?(?=\))")
LOG = logging.getLogger("mkdocs.hooks.site_pages")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that lie outside docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leads links to pages, and writes out what GitHub's Markdown has and Python-Markdown lacks."""
    place = page.file.src_uri
    source = next((file for file, made in PAGES.items() if made == place), f"docs/{place}")
    markdown = LINK.sub(lambda link: _led(link[1], source, place) + (link[2] or ""), markdown)
    # The tests' word on an example that is not run.
    markdown = re.sub(r"^```(\w+) notest$", r"```\1", markdown, flags=re.MULTILINE)
    # Code within a table's cells, side by side.
    if "<table>" in markdown:
        page.meta["hide"] = ["toc"]
    return re.sub(r"<(table|tr|td)>", r'<\1 markdown="1">', markdown)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Leads links of notebooks, which are no Markdown of MkDocs', to pages."""
    if not page.file.src_uri.endswith(".ipynb"):
        return html
    return re.sub(r'href="\.\./([\w-]+)\.md(#[^"]*)?"', lambda link: f'href="../../{link[1]}/{link[2] or ""}"', html)


def _led(target: str, source: str, place: str) -> str:
    """Returns the address of a linked file from the page's own place in the site."""
    file = posixpath.normpath(posixpath.join(posixpath.dirname(source), target)) if target else source
    if file in PAGES or file in FOLDERS:
        page = PAGES.get(file) or FOLDERS[file]
    elif file.startswith("docs/") and (ROOT / file).exists():
        page = file.removeprefix("docs/")
    else:
        LOG.warning("%s links to %s, which is no page of the site", source, target)
        return target
    return posixpath.relpath(page, posixpath.dirname(place) or ".")
