"""HTML pages that work without a network: style, pictures and plotly inside one file."""

from __future__ import annotations

import base64
import functools
import gzip
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files.replacing import replacing

if TYPE_CHECKING:
    import plotly.graph_objects

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fills a template of this package; every text is escaped, and a value that is missing raises."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


@functools.cache
def plotly_script() -> str:
    """What draws the figures of `plot_html`, to be put once at the end of a page's body.

    plotly.js in it is compressed, 2 MB instead of 5; the browser unpacks it (`DecompressionStream`, of 2023).
    """
    from plotly.offline import get_plotlyjs

    packed = base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode("ascii")
    return (TEMPLATES / "draw_plots.js").read_text("utf-8").replace("PACKED_PLOTLY", packed)


def plot_html(figure: plotly.graph_objects.Figure) -> str:
    """A plotly figure as an element of a page that ends with `plotly_script`; plotly escapes what ends a script."""
    height = int(figure.layout.height or 450)
    data = figure.to_json(engine="json")
    return f'<div class="plot" style="height: {height}px"><script type="application/json">{data}</script></div>'


def picture_source(file: Path) -> str:
    """A PNG file as the source of an `img` element."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def write_page(target: Path, page: str) -> Path:
    """Replaces the file in one step, so that a reader never meets half a page."""
    with replacing(target) as file:
        file.write(page.encode())
    return target
