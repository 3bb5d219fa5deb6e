"""Parts that all plots share: figures without global state, colours, names that fit, files."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import Image

RIGHT = "#1a9850"
WRONG = "#d73027"
TRAINING = "#7f8c9b"
VALIDATION = "#2166ac"
NAME_LENGTH = 22
# Half of what matplotlib would choose, since drawing ticks takes most of a plot's time.
TICK_SPACES = 4
QUARTERS = (0, 0.25, 0.5, 0.75, 1)


@dataclass(frozen=True)
class Margins:
    """Room for names and titles around the axes, in inches.

    They are fixed, since a layout engine measures every text before it draws, which doubles the time of a plot.
    """

    left: float = 0.6
    right: float = 0.15
    bottom: float = 0.5
    top: float = 0.32


def new_figure(width: float, height: float, margins: Margins | None = None) -> tuple[Figure, Axes]:
    """Returns a figure of one set of axes, `width` by `height` inches without its margins."""
    figure, axes = panels(1, width=width, height=height, margins=margins)
    return figure, axes[0]


def panels(
    count: int, *, width: float = 3.5, height: float = 2.7, columns: int = 3, margins: Margins | None = None
) -> tuple[Figure, list[Axes]]:
    """Returns a figure of `count` panels, at most `columns` side by side, each `width` by `height` inches."""
    from matplotlib.figure import Figure

    margins = margins or Margins()
    columns = min(columns, count)
    rows = -(-count // columns)
    across, down = width + margins.left + margins.right, height + margins.bottom + margins.top
    figure = Figure(figsize=(across * columns, down * rows), dpi=100)
    axes = []
    for place in range(count):
        row, column = divmod(place, columns)
        left, bottom = column * across + margins.left, (rows - 1 - row) * down + margins.bottom
        box = (left / (across * columns), bottom / (down * rows), width / (across * columns), height / (down * rows))
        axes.append(figure.add_axes(box))
        axes[-1].locator_params(nbins=TICK_SPACES)
    return figure, axes


def room_for(names: Sequence[str], size: float = 8) -> float:
    """Returns the inches that the longest of the names takes, written at `size` points."""
    return 0.15 + max(map(len, names), default=0) * size * 0.0088


def set_title(axes: Axes, title: str) -> None:
    """Sets the title at a fixed height, which spares matplotlib the search for a free one."""
    axes.set_title(title, fontsize=10, y=1.0)


def name_axes(axes: Axes, title: str, across: str, up: str) -> None:
    set_title(axes, title)
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)


def unit_square(axes: Axes) -> None:
    """Sets both axes from 0 to 1, with room for a line that runs along the edge."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xticks=QUARTERS, yticks=QUARTERS)


def shortened(name: str, length: int = NAME_LENGTH) -> str:
    """Returns a class name on one line, cut to `length` characters."""
    flat = visible(" ".join(name.split()))
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def shown(name: str, length: int = NAME_LENGTH) -> str:
    """Returns a shortened class name that matplotlib does not take for a formula."""
    return shortened(name, length).replace("$", r"\$")


def legend(axes: Axes, **options: Any) -> None:
    axes.legend(fontsize=8, frameon=False, **options)


def save(picture: Figure | Image.Image, target: Path) -> Path:
    """Writes a PNG file."""
    if not hasattr(picture, "savefig"):
        picture.save(target)
        return target
    with warnings.catch_warnings():
        # Class names may use a script that the plotting font lacks; boxes in a plot are no reason to fail.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        picture.savefig(target, pil_kwargs={"compress_level": 3})
    return target
