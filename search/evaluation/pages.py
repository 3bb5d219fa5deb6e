"""HTML pages that work without a network, with style, pictures and plotly.js inside one file."""

from __future__ import annotations

import base64
import functools
import gzip
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files.replacing import replacing
from ...page_style import STYLE

if TYPE_CHECKING:
    import markupsafe
    import plotly.graph_objects

TEMPLATES = Path(__file__).parent / "templates"
# The key among a figure's `layout.meta` of the width in pixels below which its parts would overlap.
LEAST_WIDTH = "least_width"


def render(template: str, **values: Any) -> str:
    """Fills a template of this package; all text is escaped, and a missing value raises jinja2.UndefinedError."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["coded"] = _coded
    return environment.get_template(template).render(style=STYLE, **values)


def _coded(line: str) -> markupsafe.Markup:
    """Returns a line, escaped, with what it has in backticks as code."""
    import markupsafe

    return markupsafe.Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(markupsafe.escape(line))))


@functools.cache
def plotly_script() -> str:
    """Returns the script that draws the figures of `plot_html`; it belongs once at the end of a page's body.

    It holds plotly.js compressed, 2 MB instead of 5, which browsers since 2023 unpack (`DecompressionStream`).
    """
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")
    return (TEMPLATES / "draw_plots.js").read_text("utf-8").replace("PACKED_PLOTLY", packed)


def plot_html(figure: plotly.graph_objects.Figure) -> str:
    """Returns a plotly figure as an element of a page that ends with `plotly_script`, drawn once it is unfolded.

    No text in the figure can end the script element, since plotly's JSON escapes `<` and `>`.
    """
    height, meta = int(figure.layout.height or 450), figure.layout.meta or {}
    size = f"height: {height}px" + (f"; min-width: {meta[LEAST_WIDTH]}px" if LEAST_WIDTH in meta else "")
    data = figure.to_json(engine="json")
    return f'<div class="plot" style="{size}"><script type="application/json">{data}</script></div>'


def picture_source(file: Path) -> str:
    """Returns a PNG file as the source of an `img` element."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def write_page(target: Path, page: str) -> Path:
    """Replaces the file in one step, so that no reader sees half a page."""
    with replacing(target) as file:
        file.write(page.encode())
    return target
