"""HTML pages that work without a network: style, pictures and plotly inside one file."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def plotly_script() -> str:
    """The source of plotly.js (about 5 MB), to be put once into a page."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def plot_html(figure: plotly.graph_objects.Figure) -> str:
    """A plotly figure as an element of a page that holds `plotly_script`; plotly escapes what could end a script."""
    options = {"responsive": True, "displaylogo": False}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=options))


def picture_source(file: Path) -> str:
    """A PNG file as the source of an `img` element."""
    return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii")


def write_page(target: Path, page: str) -> Path:
    """Replaces the file in one step, so that a reader never meets half a page."""
    partial = target.with_name(target.name + ".partial")
    partial.write_text(page, encoding="utf-8")
    partial.replace(target)
    return target
