"""Text tables without line ends are refused in one line, and never held in memory whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pandas as pd  # noqa: F401 - imported before memory is measured
import pytest

from apertune.datasets import load
from apertune.datasets.files.text_lines import LONGEST_LINE, check_lines
from apertune.errors import DatasetError


@pytest.mark.parametrize("start", ["{header},", "{header}\n", "{header}\n{row}\n"])
@pytest.mark.parametrize(
    ("name", "header", "row"),
    [("table", "path,label", "a.png,x"), ("fer2013", "emotion,pixels,Usage", "0,1 2,Training")],
)
def test_a_table_without_line_ends(tmp_path: Path, name: str, header: str, row: str, start: str) -> None:
    """A line without an end is refused, wherever it begins, in memory for a few such lines."""
    path = tmp_path / "set" / "fer2013.csv"
    path.parent.mkdir()
    with path.open("w") as file:
        file.write(start.format(header=header, row=row))
        for _ in range(40):
            file.write((row.replace("\n", "") + ",") * (LONGEST_LINE // (len(row) + 1)))
    tracemalloc.start()
    with pytest.raises(DatasetError, match=r"fer2013.csv must have one line per image, but a line has more than 1 MB"):
        load(name, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * LONGEST_LINE


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_that_are_no_longer_than_allowed(tmp_path: Path, end: bytes) -> None:
    """Many lines pass, with the line ends of any system, also where they cross the blocks that are read."""
    path = tmp_path / "rows.csv"
    path.write_bytes((b"x" * 300_001 + end) * 20)
    check_lines("table", path)
    path.write_bytes(b"x" * (LONGEST_LINE - 1) + end + b"x" * LONGEST_LINE)
    check_lines("table", path)
    path.write_bytes(b"x" * 10 + end + b"x" * (LONGEST_LINE + 1) + end)
    with pytest.raises(DatasetError):
        check_lines("table", path)


def test_tables_with_line_ends_are_read_as_before(make: SimpleNamespace, tmp_path: Path) -> None:
    """A table of FER2013 and one of paths load."""
    assert len(load("fer2013", make.fer2013(tmp_path / "fer2013.csv")).images) == 70
    assert len(load("table", make.table(tmp_path / "t" / "images.csv")).images) == 12
