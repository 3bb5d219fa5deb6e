"""Writes CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

# Excel, LibreOffice and Google Sheets take a cell that begins with one of these for a formula, which can start programs
# and fetch addresses. OWASP, "CSV Injection", has the list and the remedy.
_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # so may East Asian ones


def write_rows(file: TextIO, rows: Iterable[Sequence[object]]) -> None:
    """Writes rows as CSV; a text that a spreadsheet would take for a formula gets a leading apostrophe.

    Args:
        file: Where to, opened with `newline=""`.
        rows: The rows, whose cells are numbers, or texts such as names of classes and files. A number may be given as
            text, such as "-0.50", and stays as it is.
    """
    csv.writer(file).writerows([_guarded(cell) for cell in row] for row in rows)


def _guarded(cell: object) -> object:
    text = "" if cell is None or isinstance(cell, int | float) else str(cell)
    if not text.startswith(_BEGINS_A_FORMULA) or _is_number(text):
        return cell
    return f"'{text}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    # Python reads a number with space around it, too, such as after a tab.
    return text == text.strip()
