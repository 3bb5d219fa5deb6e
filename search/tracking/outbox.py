"""The outbox: a file of records for the tracking server, so that nothing waits for it and nothing is lost.

It has one line of JSON per record, which the supervisor alone appends and flushes to the disk. The sender notes in a
second file how far it has come. A line that a power loss cut was never acknowledged, and is skipped.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType

from ...files.replacing import append_whole, replacing
from ..studies.storage.patience import persistently
from .records import (
    KIND_TAG,
    SEARCH_KIND,
    MetricsLogged,
    Record,
    RunEnded,
    RunStarted,
    StudyChanged,
    from_line,
    to_line,
)


class Outbox:
    """The writing end of an outbox, as a context.

    Args:
        path: The outbox file, which is created, with its folder, if it is new.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("ab", buffering=0)
        if self._file.tell() and not _ends_a_line(path):
            append_whole(self._file, b"\n")

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, *records: Record) -> None:
        """Appends records, which on return survive a power loss; waits while the disk is full.

        Raises:
            ApertuneError: If the disk stays full for long; see `persistently`.
        """
        text = "".join(to_line(record) + "\n" for record in records).encode()
        persistently(lambda: append_whole(self._file, text), "the outbox of results for MLflow")


@dataclass(frozen=True)
class Progress:
    """The sender's progress through an outbox."""

    offset: int = 0
    """Bytes of the outbox that the server has."""
    run_ids: dict[str, str] = field(default_factory=dict)
    """The server's identifiers of runs, by our keys."""
    problem: str = ""
    """The reason why the server did not take the next record, in one line; empty when all is well."""
    refused: int = 0
    """Number of records, over the outbox's whole life, that the server will never take, and which were skipped."""


def read_progress(path: Path) -> Progress:
    """Returns the progress noted beside an outbox; that of a sender at its start if none can be read."""
    try:
        return Progress(**json.loads(_progress_path(path).read_text()))
    except (OSError, ValueError, TypeError):
        return Progress()


def write_progress(path: Path, progress: Progress) -> None:
    """Notes the progress beside an outbox."""
    with replacing(_progress_path(path)) as file:
        file.write(json.dumps(asdict(progress)).encode())


def unsent_bytes(path: Path) -> int:
    """Returns how many bytes of the outbox the server does not have yet."""
    return max(0, (path.stat().st_size if path.exists() else 0) - read_progress(path).offset)


def unsent(path: Path, offset: int) -> Iterator[tuple[Record | None, int]]:
    """Yields the records after an offset, each with the offset behind it; None for a line without a whole record.

    It ends before a last line without a line break, which may not be written to its end yet.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                yield from_line(line.decode()), offset
            except (ValueError, KeyError, TypeError):
                yield None, offset


def open_runs(path: Path) -> dict[str, RunStarted]:
    """Returns the runs that began and have not ended, by key: they are at work, or their supervisor was killed."""
    begun: dict[str, RunStarted] = {}
    if not path.exists():
        return begun
    with path.open("rb") as file:
        for line in file:
            # Parsing only these lines saves most of the time.
            if not line.startswith((b'{"kind": "RunStarted"', b'{"kind": "RunEnded"')):
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = from_line(line.decode())
                if isinstance(record, RunStarted):
                    begun[record.key] = record
                elif isinstance(record, RunEnded):
                    begun.pop(record.key, None)
    return begun


def last_search(path: Path) -> dict[str, str]:
    """Returns the params of the latest search that was written to an outbox; none where there is no outbox."""
    found: dict[str, str] = {}
    if not path.exists():
        return found
    with path.open("rb") as file:
        for line in file:
            if not line.startswith(b'{"kind": "RunStarted"'):
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = from_line(line.decode())
                if isinstance(record, RunStarted) and record.tags.get(KIND_TAG) == SEARCH_KIND:
                    found = record.params
    return found


def last_epochs(path: Path, keys: Collection[str]) -> dict[str, int]:
    """Returns the last epoch that has metrics, by key of the run; runs without metrics are left out."""
    wanted, last = [key.encode() for key in keys], dict[str, int]()
    if not wanted or not path.exists():
        return last
    with path.open("rb") as file:
        for line in file:
            if not line.startswith(b'{"kind": "MetricsLogged"') or not any(key in line for key in wanted):
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = from_line(line.decode())
                if isinstance(record, MetricsLogged) and record.key in keys:
                    last[record.key] = max(last.get(record.key, 0), *(epoch for _, _, epoch, _ in record.points))
    return last


def merged(part: Sequence[tuple[Record | None, int]]) -> list[tuple[Record, int]]:
    """Returns what `unsent` yields as fewer records, each with the offset behind it.

    Neighbouring metrics of one run become one record. Of a study's changes only the last is kept, since the study is
    drawn as it then stands.
    """
    last_changes = {record.key: offset for record, offset in part if isinstance(record, StudyChanged)}
    result: list[tuple[Record, int]] = []
    for record, offset in part:
        if record is None or (isinstance(record, StudyChanged) and offset < last_changes[record.key]):
            continue
        last = result[-1][0] if result else None
        if isinstance(record, MetricsLogged) and isinstance(last, MetricsLogged) and last.key == record.key:
            result[-1] = MetricsLogged(record.key, last.points + record.points), offset
        else:
            result.append((record, offset))
    return result


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _progress_path(path: Path) -> Path:
    return path.with_name(path.name + ".sent")
