"""Prints the results of commands: lines and tables for a person, one JSON document with `--json`.

All that a command prints goes through here, since data print names of others: classes, files, reasons. They are shown
as they are, never read as markup, and control characters among them are made visible.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from ..text import visible

# JSON escapes control characters below 0x20 itself; these would reach a terminal, or could not be written at all.
_UNSEEN_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

_NUMBER = re.compile(r"[+-]?[\d,.]+(e[+-]?\d+)?( (s|%|MB))?")
_UNBOUND_WIDTH = 240
# In lines that a reader copies.
_COPIED = re.compile(r"\bapertune [a-z]|://")
# Blanks after each column.
_GAP = 2

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def print_line(line: str, *, err: bool = False, warning: bool = False) -> None:
    """Prints one line; what a terminal would act on, line ends included, is shown as an escape.

    In a terminal that is narrower, a sentence goes on in the next line, indented, and no word is broken. A command or
    an address stays whole, to be copied.

    Args:
        line: The line.
        err: Print it on standard error.
        warning: Show it in red where the terminal has colours.
    """
    text = wrapped(visible(line), err=err)
    click.secho(text, err=err, fg="red" if warning else None, bold=warning or None)


def wrapped(line: str, *, err: bool) -> str:
    """Returns a line as `print_line` breaks it, for standard output or standard error."""
    if not (sys.stderr if err else sys.stdout).isatty() or _COPIED.search(line):
        return line
    width = open_console(stderr=err).width
    if cell_len(line) <= width:
        return line
    first = re.match(" *", line)
    begin = first[0] if first else ""
    return textwrap.fill(
        line.strip(), width, initial_indent=begin, subsequent_indent=f"{begin}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def print_json(document: Any) -> None:
    """Prints one JSON document on standard output; NaN and infinities, which JSON lacks, become null."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    text = json.dumps(_finite(document), indent=2, ensure_ascii=not is_unicode)
    # Such characters can only stand in strings, where JSON has an escape for each.
    click.echo(_UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    title: str | None = None,
    dispensable: Sequence[str] = (),
) -> list[str]:
    """Prints a table on standard output, as wide as it needs to be when output is no terminal.

    Args:
        columns: The titles of the columns.
        rows: The cells of each row.
        title: A line above the table.
        dispensable: Columns that may be left out where the table is too wide, the least important first.

    Returns:
        The columns that were left out.
    """
    width = table_width()
    texts = [["" if cell is None else visible(str(cell)) for cell in row] for row in rows]
    kept = _kept_columns(columns, texts, dispensable, width)
    # Without an edge, two blanks stand between columns, and no blank lines around the table.
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place in kept:
        numbers = all(_NUMBER.fullmatch(row[place]) for row in texts if row[place])
        table.add_column(visible(columns[place]), justify="right" if numbers and texts else "left")
    for row in texts:
        table.add_row(*(row[place] for place in kept))
    head = [] if title is None else [Text(visible(title), style="bold", no_wrap=True, overflow="ignore")]
    open_console(width=width).print(Group(*head, table, ""))
    return [column for place, column in enumerate(columns) if place not in kept]


def table_width() -> int:
    """Returns the columns that a table may take: those of the terminal, or as many as it likes elsewhere."""
    is_bound = sys.stdout.isatty() or "COLUMNS" in os.environ
    return open_console().width if is_bound else _UNBOUND_WIDTH


def natural_width(columns: Sequence[str], texts: Sequence[Sequence[str]]) -> int:
    """Returns the width at which no cell of a table is broken."""
    widths = [max(map(cell_len, (title, *cells))) for title, *cells in zip(columns, *texts, strict=True)]
    return sum(widths) + _GAP * len(widths)


def _kept_columns(
    columns: Sequence[str], texts: Sequence[Sequence[str]], dispensable: Sequence[str], width: int
) -> list[int]:
    kept = list(range(len(columns)))
    for name in dispensable:
        left = [[row[place] for place in kept] for row in texts]
        if natural_width([columns[place] for place in kept], left) <= width:
            break
        kept = [place for place in kept if columns[place] != name]
    return kept


def open_console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Opens a console that takes every text for what it is: no markup, no emoji codes, no highlighting.

    Args:
        stderr: Print on standard error.
        width: Number of columns; None for those of the terminal.
    """
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
