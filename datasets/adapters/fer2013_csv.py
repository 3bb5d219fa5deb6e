"""Reads FER2013's CSV table: columns emotion, pixels and Usage in any order, about 300 MB of text."""

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
from ..base import BadItem, Index, Progress
from .pixel_text import parse_rows

SIDE = 48
_BLOCK_BYTES = 512 << 10
_SPLITS = {b"training": "train", b"publictest": "validation", b"privatetest": "test"}


@dataclass(frozen=True)
class _Columns:
    """Positions of the columns; usage is None when the table states no split."""

    emotion: int
    pixels: int
    usage: int | None
    count: int


@dataclass
class _Rows:
    """The rows of a block: codes and split names of the good ones, their pixels, and what is wrong with the others."""

    lines: int
    numbers: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    splits: list[str | None] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    pixels: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, SIDE * SIDE), np.uint8))


def has_pixel_column(path: Path) -> bool:
    """Whether the first line names a column `pixels`."""
    with path.open("rb") as file:
        return b"pixels" in _names(file.readline(1000))


def read_csv(path: Path, scratch: Path, emotions: tuple[str, ...], progress: Progress) -> Index:
    """Reads the table in blocks over all cores; the pixels go to a file in `scratch`, never all into memory.

    Bad rows are named by their line, counted from 1 as an editor does. Raises DatasetError on a wrong header.
    """
    import pandas as pd

    keys: list[str] = []
    codes: list[int] = []
    splits: list[str | None] = []
    bad: list[BadItem] = []
    raw = scratch / "pixels.raw"
    with path.open("rb") as file, raw.open("wb") as out:
        columns = _read_header(path, file.readline())
        line, size = 2, path.stat().st_size
        for rows, position in _parsed_blocks(file, columns, len(emotions)):
            out.write(rows.pixels.data)
            keys += [f"line {line + number}" for number in rows.numbers]
            codes += rows.codes
            splits += rows.splits
            bad += [BadItem(f"line {line + number}", reason) for number, reason in sorted(rows.bad.items())]
            line += rows.lines
            progress("reading", position, size)
    if not keys:
        raise DatasetError(
            f"fer2013: {path.name} holds no usable row" + (f"; {bad[0].where}: {bad[0].reason}" if bad else "")
        )
    pixels = np.memmap(raw, np.uint8, "r", shape=(len(keys), SIDE, SIDE))
    table = pd.DataFrame({"key": keys, "label": [emotions[code] for code in codes], "split": splits})
    return Index(table, emotions, "multiclass", pixels=pixels, bad=tuple(bad))


def _parsed_blocks(file: BinaryIO, columns: _Columns, emotions: int) -> Iterator[tuple[_Rows, int]]:
    """Blocks in the file's order with the position read up to; a few are in work at a time."""
    workers = joblib.cpu_count()
    waiting: deque[tuple[Future[_Rows], int]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for block in _blocks(file):
            waiting.append((pool.submit(_parse_block, block, columns, emotions), file.tell()))
            if len(waiting) > workers:
                future, position = waiting.popleft()
                yield future.result(), position
        for future, position in waiting:
            yield future.result(), position


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Pieces of the file that end with a whole line."""
    rest = b""
    while piece := file.read(_BLOCK_BYTES):
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + head
            rest = tail
        else:
            rest += piece
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
        rows.bad[number] = f"{len(cells)} columns where {columns.count} are expected"
        return
    code = cells[columns.emotion]
    if not (code.isdigit() and len(code) < 4 and int(code) < emotions):
        rows.bad[number] = f"emotion '{_show(code)}' is no code from 0 to {emotions - 1}"
        return
    split = None
    if columns.usage is not None:
        split = _SPLITS.get(cells[columns.usage].lower())
        if split is None:
            rows.bad[number] = f"Usage '{_show(cells[columns.usage])}' is none of Training, PublicTest, PrivateTest"
            return
    rows.numbers.append(number)
    rows.codes.append(int(code))
    rows.splits.append(split)
    rows.texts.append(cells[columns.pixels])


def _read_header(path: Path, line: bytes) -> _Columns:
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
