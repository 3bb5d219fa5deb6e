"""Reads FER2013's CSV table: about 300 MB of text, with the columns emotion, pixels and Usage in any order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import joblib
import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...text import counted
from ..base import BadItem, Index, Progress
from ..files.text_lines import LONGEST_LINE, endless_line
from .pixel_text import parse_rows

SIDE = 48
_BLOCK_BYTES = 512 << 10
_SPLITS = {b"training": "train", b"publictest": "validation", b"privatetest": "test"}


@dataclass(frozen=True)
class _Columns:
    """The positions of the columns in a row."""

    emotion: int
    pixels: int
    usage: int | None
    """None when the table states no split."""
    count: int
    """Number of columns."""


@dataclass
class _Rows:
    """The rows of a block; the lists and the pixels have one item per good row."""

    lines: int
    """Number of lines in the block."""
    numbers: list[int] = field(default_factory=list)
    """Line numbers within the block, from 0."""
    codes: list[int] = field(default_factory=list)
    """Codes of the emotions."""
    splits: list[str | None] = field(default_factory=list)
    """Names of the splits; None when the table states none."""
    texts: list[bytes] = field(default_factory=list)
    """Pixels as text, until they are parsed."""
    bad: dict[int, str] = field(default_factory=dict)
    """Reasons of the bad rows, by line number within the block."""
    pixels: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, SIDE * SIDE), np.uint8))
    """uint8 (rows, pixels)."""


def has_pixel_column(path: Path) -> bool:
    """Returns whether the first line of a file names a column `pixels`."""
    with path.open("rb") as file:
        return b"pixels" in _names(file.readline(1000))


def read_csv(path: Path, scratch: Path, emotions: tuple[str, ...], progress: Progress) -> Index:
    """Reads the table in blocks on all cores; the pixels go to a file, never into memory all at once.

    Args:
        path: The table.
        scratch: The folder for the file of pixels.
        emotions: Class names, in the order of their codes.
        progress: Called with the stage "reading", the bytes read so far and the size of the table.

    Returns:
        The images; rows are named by their line, counted from 1 as in an editor.

    Raises:
        DatasetError: The header lacks a column, or no row can be used.
    """
    import pandas as pd

    keys: list[str] = []
    codes: list[int] = []
    splits: list[str | None] = []
    bad: list[BadItem] = []
    raw = scratch / "pixels.raw"
    with path.open("rb") as file, raw.open("wb") as out:
        columns = _read_header(path, file.readline(LONGEST_LINE))
        line, size = 2, path.stat().st_size
        for rows, position in _parsed_blocks(path, file, columns, len(emotions)):
            out.write(rows.pixels.data)
            keys += [f"line {line + number}" for number in rows.numbers]
            codes += rows.codes
            splits += rows.splits
            bad += [BadItem(f"line {line + number}", reason) for number, reason in sorted(rows.bad.items())]
            line += rows.lines
            progress("reading", position, size)
    if not keys:
        raise DatasetError(
            f"fer2013: {path.name} holds no row that can be used"
            + (f"; {bad[0].where}: {bad[0].reason}" if bad else "")
        )
    pixels = np.memmap(raw, np.uint8, "r", shape=(len(keys), SIDE, SIDE))
    table = pd.DataFrame({"key": keys, "label": [emotions[code] for code in codes], "split": splits})
    return Index(table, emotions, "multiclass", pixels=pixels, bad=tuple(bad))


def _parsed_blocks(path: Path, file: BinaryIO, columns: _Columns, emotions: int) -> Iterator[tuple[_Rows, int]]:
    """Yields parsed blocks in file order, each with the position reached; a few are parsed at a time."""
    workers = joblib.cpu_count()
    waiting: deque[tuple[Future[_Rows], int]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for block in _blocks(path, file):
            waiting.append((pool.submit(_parse_block, block, columns, emotions), file.tell()))
            if len(waiting) > workers:
                future, position = waiting.popleft()
                yield future.result(), position
        for future, position in waiting:
            yield future.result(), position


def _blocks(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Cuts the file into blocks of whole lines.

    Raises:
        DatasetError: A line is so long that the file can be no table of images.
    """
    rest = b""
    while piece := file.read(_BLOCK_BYTES):
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + head
            rest = tail
        else:
            rest += piece
            if len(rest) > LONGEST_LINE:
                raise endless_line("fer2013", path)
    if rest:
        yield rest


def _parse_block(block: bytes, columns: _Columns, emotions: int) -> _Rows:
    lines = block.split(b"\n")
    rows = _Rows(len(lines))
    for number, line in enumerate(lines):
        if line.strip():
            _take_line(line, number, columns, emotions, rows)
    if not rows.texts:
        return rows
    rows.pixels, reasons = parse_rows(rows.texts, SIDE * SIDE)
    if reasons:
        rows.bad |= {rows.numbers[row]: reason for row, reason in reasons.items()}
        good = [row for row in range(len(rows.texts)) if row not in reasons]
        rows.pixels = rows.pixels[good]
        rows.numbers = [rows.numbers[row] for row in good]
        rows.codes = [rows.codes[row] for row in good]
        rows.splits = [rows.splits[row] for row in good]
    rows.texts = []
    return rows


def _take_line(line: bytes, number: int, columns: _Columns, emotions: int, rows: _Rows) -> None:
    cells = [cell.strip(b' "\r\t') for cell in line.split(b",")]
    if len(cells) != columns.count:
        rows.bad[number] = f"{counted(len(cells), 'column')} instead of {columns.count}"
        return
    code = cells[columns.emotion]
    if not (code.isdigit() and len(code) < 4 and int(code) < emotions):
        rows.bad[number] = f"emotion must be a code from 0 to {emotions - 1}, but is '{_show(code)}'"
        return
    split = None
    if columns.usage is not None:
        split = _SPLITS.get(cells[columns.usage].lower())
        if split is None:
            rows.bad[number] = (
                f"Usage must be Training, PublicTest or PrivateTest, but is '{_show(cells[columns.usage])}'"
            )
            return
    rows.numbers.append(number)
    rows.codes.append(int(code))
    rows.splits.append(split)
    rows.texts.append(cells[columns.pixels])


def _read_header(path: Path, line: bytes) -> _Columns:
    if len(line) >= LONGEST_LINE:
        raise endless_line("fer2013", path)
    names = _names(line)
    if b"emotion" not in names or b"pixels" not in names:
        found = ", ".join(_show(name) for name in names[:6])
        raise DatasetError(f"fer2013: {path.name} needs the columns emotion and pixels, but it has: {found}")
    usage = names.index(b"usage") if b"usage" in names else None
    return _Columns(names.index(b"emotion"), names.index(b"pixels"), usage, len(names))


def _names(line: bytes) -> list[bytes]:
    return [name.strip(b' "\r\n\t').lower() for name in line.removeprefix(b"\xef\xbb\xbf").split(b",")]


def _show(cell: bytes) -> str:
    return cell[:30].decode(errors="replace")
