"""Prints the results of commands: lines and tables for a person, one JSON document with `--json`.

All that a command prints goes through here, since data print names of others: classes, files, reasons. They are shown
as they are, never read as markup, and control characters among them are made visible.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from ..text import visible

# JSON escapes control characters below 0x20 itself; these would reach a terminal, or could not be written at all.
_UNSEEN_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")


def print_line(line: str, *, err: bool = False, warning: bool = False) -> None:
    """Prints one line; what a terminal would act on, line ends included, is shown as an escape.

    Args:
        line: The line.
        err: Print it on standard error.
        warning: Show it in red where the terminal has colours.
    """
    click.secho(visible(line), err=err, fg="red" if warning else None, bold=warning or None)


def print_json(document: Any) -> None:
    """Prints one JSON document on standard output; NaN and infinities, which JSON lacks, become null."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    text = json.dumps(_finite(document), indent=2, ensure_ascii=not is_unicode)
    # Such characters can only stand in strings, where JSON has an escape for each.
    click.echo(_UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Prints a table on standard output, as wide as it needs to be when output is no terminal."""
    shown = None if title is None else visible(title)
    table = Table(*map(visible, columns), title=shown, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*("" if cell is None else visible(str(cell)) for cell in row))
    open_console(width=None if sys.stdout.isatty() else 240).print(table)


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
