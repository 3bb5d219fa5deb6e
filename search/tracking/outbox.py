"""The outbox: what is to be told to the tracking server, on disk first, so that nothing waits and nothing is lost.

One line of JSON a record, appended by the supervisor alone and flushed to the disk. The sender notes in a second
file how far it has come. A line cut by a power loss was never acknowledged and is passed over.
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
from .records import MetricsLogged, Record, RunEnded, RunStarted, StudyChanged, from_line, to_line


class Outbox:
    """The writing end, a context. path: the outbox file, created with its folder when new."""

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
        """Appends records, safe against power loss on return; waits while the disk is full.

        Raises ApertuneError when it stays so for long, see `persistently`.
        """
        text = "".join(to_line(record) + "\n" for record in records).encode()
        persistently(lambda: append_whole(self._file, text), "what MLflow is to be told")


@dataclass(frozen=True)
class Progress:
    """How far the sender has come. offset: bytes of the outbox that the server has. run_ids: by our keys.

    problem: why the server did not take the next record, in one line; empty when all is well.
    refused: how many records it will never take and were passed over, since the outbox began.
    """

    offset: int = 0
    run_ids: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    refused: int = 0


def read_progress(path: Path) -> Progress:
    try:
        return Progress(**json.loads(_progress_path(path).read_text()))
    except (OSError, ValueError, TypeError):
        return Progress()


def write_progress(path: Path, progress: Progress) -> None:
    with replacing(_progress_path(path)) as file:
        file.write(json.dumps(asdict(progress)).encode())


def unsent_bytes(path: Path) -> int:
    """How much of the outbox the server does not have yet, in bytes."""
    return max(0, (path.stat().st_size if path.exists() else 0) - read_progress(path).offset)


def unsent(path: Path, offset: int) -> Iterator[tuple[Record | None, int]]:
    """Records from that offset on, each with the offset behind it; None for a line that holds no whole record.

    Ends before a last line without an end, which may still be being written.
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
    """Runs that were begun and not ended since, by key: those at work, or left by a supervisor that was killed."""
    begun: dict[str, RunStarted] = {}
    if not path.exists():
        return begun
    with path.open("rb") as file:
        for line in file:
            # Of the many lines only these need to be parsed.
            if not line.startswith((b'{"kind": "RunStarted"', b'{"kind": "RunEnded"')):
                continue
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = from_line(line.decode())
                if isinstance(record, RunStarted):
                    begun[record.key] = record
                elif isinstance(record, RunEnded):
                    begun.pop(record.key, None)
    return begun


def last_epochs(path: Path, keys: Collection[str]) -> dict[str, int]:
    """The last epoch that the runs with these keys have numbers of; a run without any is missing."""
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
    """What `unsent` yields, in fewer calls, each with the offset behind it: neighbouring metrics of one run become one.

    Of a study that changed several times only the last is kept, since it is drawn as it stands.
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
