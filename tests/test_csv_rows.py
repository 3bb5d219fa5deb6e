"""CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io

import pytest

from apertune.csv_rows import write_rows


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "=1"]  # noqa: RUF001
)  # fmt: skip
def test_a_formula_is_text(text: str) -> None:
    """A text that begins as a formula does gets an apostrophe, after which a spreadsheet takes it for text."""
    file = io.StringIO()
    write_rows(file, [("class", "images"), (text, 3)])
    (row,) = list(csv.reader(io.StringIO(file.getvalue())))[1:]
    assert row == [f"'{text}", "3"]


@pytest.mark.parametrize("number", [-3, -0.25, "-0.250000", "-1e-05", "+inf", "nan", "", None])
def test_a_number_stays_a_number(number: object) -> None:
    """Negative numbers are no formulas, whether they are given as numbers or as text."""
    file = io.StringIO()
    write_rows(file, [(number, "cat's-eye", "a=b")])
    (row,) = csv.reader(io.StringIO(file.getvalue()))
    assert row == ["" if number is None else str(number), "cat's-eye", "a=b"]
