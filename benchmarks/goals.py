"""The goals of RESULTS.md: what was aimed at, as `goals.toml` has it, and what the results have.

    [[goals]]
    what = "20 short trials on digits, in this share of KerasTuner's time"
    at_most = 0.5
    form = "{:.2f}"
    figures = [{ table = "peers-ratios", row = { what = "KerasTuner", trials = 20 }, column = "seconds" }]

A figure is named as `claims.py` tells. A column, or a value of a row, may be a list, which stands for one figure each;
the figure that misses its goal by the most counts. The bound, `at_most` or `at_least`, is a number or a figure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from claims import CellOf, NotMeasuredError, entries, figure_of
from measurements import Column, Table

FILE = Path(__file__).resolve().with_name("goals.toml")


def goals() -> list[dict[str, Any]]:
    """Returns the goals, as `goals.toml` has them."""
    return entries(FILE, "goals")


def table(cell_of: CellOf) -> Table:
    """Returns the table of all goals.

    Args:
        cell_of: Looks figures up.
    """
    made = Table("goals", *(Column(name, name) for name in ("goal", "wanted", "measured", "verdict")))
    for goal in goals():
        form, least = goal.get("form", "{:g}"), "at_least" in goal
        bound = _measured(goal["at_least" if least else "at_most"], cell_of)
        wanted = "" if bound is None else f"at {'least' if least else 'most'} {form.format(bound)}"
        figures = [_measured(one, cell_of) for given in goal["figures"] for one in _each(given)]
        if bound is None or None in figures:
            made.add(goal=goal["what"], wanted=wanted, verdict="not measured")
            continue
        worst = min(figures) if least else max(figures)
        met = worst >= bound if least else worst <= bound
        made.add(goal=goal["what"], wanted=wanted, measured=form.format(worst), verdict="met" if met else "**missed**")
    return made


def _measured(figure: float | Mapping[str, Any], cell_of: CellOf) -> float | None:
    """Returns a number, or the figure that is named; None if its table has no results yet."""
    if not isinstance(figure, Mapping):
        return figure
    try:
        return figure_of(figure, cell_of)
    except NotMeasuredError:
        return None


def _each(figure: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the figures for which one with lists stands."""
    columns, *values = (one if isinstance(one, list) else [one] for one in (figure["column"], *figure["row"].values()))
    for column, *row in itertools.product(columns, *values):
        yield {**figure, "column": column, "row": dict(zip(figure["row"], row, strict=True))}
