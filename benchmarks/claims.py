"""Figures of README.md and docs, taken from the results of the benchmarks by `claims.toml`.

A claim is a passage of a page with a name in braces for each figure, and for each name the table, row and column of
RESULTS.md that it comes from:

    [[claims]]
    page = "README.md"
    text = "30 trials on digits: Apertune {own:.0f} s"
    own = { table = "peers-digits", row = { what = "Apertune", trials = "30" }, column = "seconds" }

`part = "spread"` takes that part of a cell which has a mean and a spread, `times = 100` makes a percentage of a share,
`minus = {...}` subtracts another figure, and `over = {...}` divides by one. A passage may be broken into lines at any
blank. `benchmarks/run.py` writes the figures into the pages; a test compares them, and finds figures in the passages
under `[[measured]]` that no claim covers.
"""

from __future__ import annotations

import re
import statistics
import string
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).resolve().with_name("claims.toml")
FIGURE = re.compile(r"\d(?:[\d,]*\d)?(?:\.\d+)?")
# Returns what a table of RESULTS.md has in a row and a column.
CellOf = Callable[[str, Mapping[str, str], str], Any]


class NotMeasuredError(KeyError):
    """A table has no results yet."""


@dataclass(frozen=True)
class Found:
    """One figure of a claim, as its page has it."""

    page: str
    start: int
    end: int
    written: str
    """The figure on the page."""
    measured: str
    """The figure of the results, in the claim's form."""


def entries(file: Path, name: str) -> list[dict[str, Any]]:
    """Returns the entries of a TOML file under a name."""
    return tomllib.loads(file.read_text(encoding="utf-8"))[name]


def claims() -> list[dict[str, Any]]:
    """Returns the claims, as `claims.toml` has them."""
    return entries(FILE, "claims")


def measured_passages() -> list[dict[str, Any]]:
    """Returns the passages in which every figure is to be claimed, or named under `said`."""
    return entries(FILE, "measured")


def look_up(claim: Mapping[str, Any], cell_of: CellOf) -> list[Found]:
    """Returns the figures of a claim.

    Raises:
        LookupError: The passage is not on the page, or more than once; or a figure is not in the results.
    """
    text = (ROOT / claim["page"]).read_text(encoding="utf-8")
    parts = list(string.Formatter().parse(claim["text"]))
    pattern = "".join(
        re.sub(r"(\\ )+", r"\\s+", re.escape(words)) + (f"(?P<{name}>{FIGURE.pattern})" if name else "")
        for words, name, _, _ in parts
    )
    matches = list(re.finditer(pattern, text))
    if len(matches) != 1:
        raise LookupError(f"{claim['page']} has this passage {len(matches)} times, not once: {claim['text']}")
    (match,) = matches
    found = []
    for _, name, form, _ in parts:
        if name:
            value = figure_of(claim[name], cell_of)
            measured = _formed(value, form or "g")
            found.append(Found(claim["page"], match.start(name), match.end(name), match[name], measured))
    return found


def write(cell_of: CellOf) -> None:
    """Writes the figures of the results into the pages."""
    found = [figure for claim in claims() for figure in look_up(claim, cell_of)]
    for page in {figure.page for figure in found}:
        file = ROOT / page
        text = before = file.read_text(encoding="utf-8")
        for figure in sorted((one for one in found if one.page == page), key=lambda one: one.start, reverse=True):
            text = text[: figure.start] + figure.measured + text[figure.end :]
        if text != before:
            file.write_text(text, encoding="utf-8")
            print(f"{page}: figures written", flush=True)


def unclaimed(passage: Mapping[str, Any], cell_of: CellOf) -> list[str]:
    """Returns the figures of a passage that no claim covers, each with the words around it.

    Args:
        passage: Its page, its first and last words, and under `said` the words whose figures are no measurement.
        cell_of: Looks figures up.
    """
    text = (ROOT / passage["page"]).read_text(encoding="utf-8")
    start = text.index(passage["from"])
    end = text.index(passage["to"], start)
    covered = [
        (figure.start, figure.end)
        for claim in claims()
        if claim["page"] == passage["page"]
        for figure in look_up(claim, cell_of)
    ]
    for words in passage.get("said", ()):
        pattern = re.sub(r"(\\ )+", r"\\s+", re.escape(words))
        covered += [match.span() for match in re.finditer(pattern, text)]
    return [
        text[max(0, match.start() - 30) : match.end() + 20].replace("\n", " ")
        for match in FIGURE.finditer(text, start, end)
        if not any(first <= match.start() and match.end() <= last for first, last in covered)
    ]


def figure_of(source: Mapping[str, Any], cell_of: CellOf) -> float:
    """Returns the figure of a table, row and column, with what `part`, `times`, `minus` and `over` make of it.

    Raises:
        LookupError: The results do not have it, or it is no figure.
    """
    cell = cell_of(source["table"], source["row"], source["column"])
    if isinstance(cell, list):
        value = float(statistics.median(cell))
    elif isinstance(cell, str):
        figures = FIGURE.findall(cell)
        if not figures:
            raise LookupError(f"no figure in {cell!r} of the table {source['table']}")
        value = float(figures[0].replace(",", ""))
    elif isinstance(cell, dict):
        if source.get("part") not in cell:
            raise LookupError(f"part must be one of {', '.join(cell)} in the table {source['table']}")
        value = float(cell[source["part"]])
    else:
        value = float(cell)
    value *= source.get("times", 1)
    if "minus" in source:
        value -= figure_of(source["minus"], cell_of)
    return value / figure_of(source["over"], cell_of) if "over" in source else value


def _formed(value: float, form: str) -> str:
    """Returns a figure in a form; halves are rounded up, as readers do."""
    digits = re.fullmatch(r",?\.(\d)f", form)
    if form == "," or digits:
        unit = Decimal(1).scaleb(-int(digits[1]) if digits else 0)
        return format(Decimal(repr(value)).quantize(unit, ROUND_HALF_UP), form.replace(".0f", "f"))
    return format(value, form)
