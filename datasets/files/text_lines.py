"""Refuses text tables without line ends, which readers would otherwise hold in memory whole."""

from __future__ import annotations

from pathlib import Path

from ...errors import DatasetError

# A row of FER2013, 2,304 numbers, takes 9 kB.
LONGEST_LINE = 1 << 20
_BLOCK_BYTES = 1 << 20


def check_lines(name: str, path: Path) -> None:
    """Reads a file once, in bounded memory, and refuses lines that are too long for a table.

    Args:
        name: The data set, for messages.
        path: The file.

    Raises:
        DatasetError: A line has more than `LONGEST_LINE` bytes.
    """
    length = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            first, last = block.find(b"\n"), block.rfind(b"\n")
            if first < 0:
                # Lines of old files end with a carriage return alone.
                first, last = block.find(b"\r"), block.rfind(b"\r")
            # A line inside a block is no longer than the block, which is no longer than a line may be.
            if length + (first if first >= 0 else len(block)) > LONGEST_LINE:
                raise endless_line(name, path)
            length = len(block) - last - 1 if first >= 0 else length + len(block)


def endless_line(name: str, path: Path) -> DatasetError:
    """The error for a table with a line that is too long."""
    return DatasetError(
        f"{name}: {path.name} must have one line per image, but a line has more than {LONGEST_LINE >> 20} MB; "
        "give a text table with line ends"
    )
