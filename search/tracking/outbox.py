"""The outbox: a file of records for the tracking server, so that nothing waits for it and nothing is lost.

It has one line of JSON per record, which the supervisor alone appends and flushes to the disk. The sender notes in a
second file how far it has come, and by a digest of which outbox: one that was deleted, cut or restored from a backup is
sent from its beginning, since sending a record again has no further effect. A line that a power loss cut was never
acknowledged, and is skipped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from ...files.replacing import append_whole, replacing
from ...text import counted
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

logger = logging.getLogger(__name__)

# Bytes of an outbox, at its beginning and before an offset, by which it is recognised.
MARK_BYTES = 512


class Outbox:
    """The writing end of an outbox, as a context.

    Args:
        path: The outbox file, which is created, with its folder, if it is new.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = self._open()

    def _open(self) -> FileIO:
        # For reading, too: what was written is put back if somebody deletes the file.
        file = self.path.open("a+b", buffering=0)
        if file.tell() and not _ends_a_line(self.path):
            append_whole(file, b"\n")
        return file

    def __enter__(self) -> Outbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def put(self, *records: Record) -> None:
        """Appends records, which on return survive a power loss; waits while the disk is full.

        If the file was deleted or replaced meanwhile, it is put back first.

        Raises:
            ApertuneError: If the disk stays full for long; see `persistently`.
        """
        text = "".join(to_line(record) + "\n" for record in records).encode()

        def write() -> None:
            self._put_back()
            append_whole(self._file, text)

        persistently(write, "the outbox of results for MLflow")

    def _put_back(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.stat(), os.fstat(self._file.fileno())):
                return
        logger.warning("%s was deleted or replaced during the search; it is put back.", self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file.seek(0)
        content = self._file.readall()
        with replacing(self.path, durable=True) as file:
            file.write(content)
        self._file.close()
        self._file = self._open()


@dataclass(frozen=True)
class Held:
    """Lines of the outbox that the server did not take though it takes others; they are tried again later."""

    begin: int
    """Offset of the first byte."""
    end: int
    """Offset behind the last byte."""
    key: str
    """Key of the run."""
    kind: str
    """Kind of the record."""
    problem: str
    """The reason, in one line."""


@dataclass(frozen=True)
class Progress:
    """The sender's progress through an outbox."""

    offset: int = 0
    """Bytes of the outbox that the server has, apart from those that are held."""
    run_ids: dict[str, str] = field(default_factory=dict)
    """The server's identifiers of runs, by our keys."""
    problem: str = ""
    """The reason why the server takes nothing now, in one line; empty when all is well."""
    held: tuple[Held, ...] = ()
    """The lines that the server did not take though it takes others."""
    taken: int = 0
    """Number of records and files, over the outbox's whole life, that the server took."""


def read_progress(path: Path) -> Progress:
    """Returns the progress noted beside an outbox; that of a sender at its start if none of this outbox can be read."""
    progress, noted = _noted(path)
    if _is_of_another(path, progress, noted):
        return Progress(run_ids=progress.run_ids, taken=progress.taken)
    return progress


def is_another_outbox(path: Path) -> bool:
    """Returns whether the progress was noted of another outbox: this one was cut, restored or begun anew."""
    return _is_of_another(path, *_noted(path))


def _is_of_another(path: Path, progress: Progress, noted: str | None) -> bool:
    mark = _mark(path, progress.offset)
    # An earlier version noted no mark.
    return progress.offset > 0 and (mark is None or noted not in (None, mark))


def write_progress(path: Path, progress: Progress) -> None:
    """Notes the progress beside an outbox."""
    document = {**asdict(progress), "mark": _mark(path, progress.offset)}
    with replacing(_progress_path(path)) as file:
        file.write(json.dumps(document).encode())


def _noted(path: Path) -> tuple[Progress, str | None]:
    """Returns the progress as it was noted, and the mark of its outbox."""
    try:
        document = json.loads(_progress_path(path).read_text())
        return _progress_of(document), document.get("mark")
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Progress(), None


def _progress_of(document: Mapping[str, Any]) -> Progress:
    """Returns the progress of a document. Raises ValueError, TypeError or AttributeError for one that is damaged."""
    return Progress(
        offset=int(document.get("offset", 0)),
        run_ids={str(key): str(run_id) for key, run_id in document.get("run_ids", {}).items()},
        problem=str(document.get("problem", "")),
        held=tuple(
            Held(int(one["begin"]), int(one["end"]), str(one["key"]), str(one["kind"]), str(one["problem"]))
            for one in document.get("held", ())
        ),
        taken=int(document.get("taken", 0)),
    )


def _mark(path: Path, offset: int) -> str | None:
    """Returns a digest by which an outbox is recognised up to an offset; None if it is shorter."""
    try:
        with path.open("rb") as file:
            beginning = file.read(min(offset, MARK_BYTES))
            file.seek(max(0, offset - MARK_BYTES))
            end = file.read(min(offset, MARK_BYTES))
    except FileNotFoundError:
        beginning = end = b""
    if len(end) < min(offset, MARK_BYTES):
        return None
    return hashlib.sha256(beginning + end).hexdigest()[:16]


def held_line(progress: Progress) -> str:
    """Returns one line on the records that the server did not take though it takes others; empty if there are none."""
    if not progress.held:
        return ""
    last = progress.held[-1]
    runs = len({held.key for held in progress.held})
    records = counted(len(progress.held), "record")
    return (
        f"MLflow did not take {records} of {counted(runs, 'run')}, though it takes others; the last was "
        f"{last.kind} ({last.problem}). They are kept, and tried again by the next search, or: apertune sync."
    )


def unsent_bytes(path: Path) -> int:
    """Returns how many bytes of the outbox the server does not have yet."""
    progress = read_progress(path)
    behind = max(0, (path.stat().st_size if path.exists() else 0) - progress.offset)
    return behind + sum(held.end - held.begin for held in progress.held)


def unsent_records(path: Path) -> int:
    """Returns how many lines of the outbox the server does not have yet, without those that are held."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(read_progress(path).offset)
        return sum(part.count(b"\n") for part in iter(lambda: file.read(2**20), b""))


def unsent(path: Path, offset: int, until: int | None = None) -> Iterator[tuple[Record | None, int]]:
    """Yields the records after an offset, each with the offset behind it; None for a line without a whole record.

    It ends before a last line without a line break, which may not be written to its end yet.

    Args:
        path: The outbox file.
        offset: Where to begin.
        until: Where to end; the end of the file unless given.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n") or (until is not None and offset >= until):
                return
            offset += len(line)
            try:
                yield from_line(line.decode()), offset
            except (ValueError, KeyError, TypeError):
                yield None, offset


def open_runs(path: Path) -> dict[str, RunStarted]:
    """Returns the runs that began and have not ended, by key: they are at work, or their supervisor was killed."""
    # Only what is left in the end is parsed whole: beginnings are long, and most runs have ended.
    begun: dict[bytes, list[bytes]] = {}
    for line in _lines_of(path, RunStarted, RunEnded):
        key = _key_in(line)
        if line.startswith(_beginning(RunStarted)):
            begun.setdefault(key, []).append(line)
        elif _parsed(line) is not None:
            begun.pop(key, None)
    # The last of a run's beginnings may have been cut.
    latest = (next(filter(None, map(_parsed, reversed(lines))), None) for lines in begun.values())
    return {record.key: record for record in latest if isinstance(record, RunStarted)}


def last_search(path: Path) -> dict[str, str]:
    """Returns the params of the latest search that was written to an outbox; none where there is no outbox."""
    found: dict[str, str] = {}
    for record in _records_of(path, RunStarted):
        if isinstance(record, RunStarted) and record.tags.get(KIND_TAG) == SEARCH_KIND:
            found = record.params
    return found


def last_epochs(path: Path, keys: Collection[str]) -> dict[str, int]:
    """Returns the last epoch that has metrics, by key of the run; runs without metrics are left out."""
    last: dict[str, int] = {}
    for record in _records_of(path, MetricsLogged, keys=keys):
        if isinstance(record, MetricsLogged) and record.key in keys and record.points:
            last[record.key] = max(last.get(record.key, 0), *(epoch for _, _, epoch, _ in record.points))
    return last


def _records_of(path: Path, *kinds: type, keys: Collection[str] | None = None) -> Iterator[Record]:
    """Yields the whole records of certain kinds, and parses only their lines, which saves most of the time.

    Args:
        path: The outbox file; one that is not there has no records.
        kinds: The kinds of records.
        keys: Keys of the runs that they are of; None for any run.
    """
    wanted = None if keys is None else {key.encode() for key in keys}
    if wanted is not None and not wanted:
        return
    for line in _lines_of(path, *kinds):
        if (wanted is None or _key_in(line) in wanted) and (record := _parsed(line)) is not None:
            yield record


def _lines_of(path: Path, *kinds: type) -> Iterator[bytes]:
    """Yields the lines of certain kinds of records; a file that is not there has none."""
    if not path.exists():
        return
    beginnings = tuple(map(_beginning, kinds))
    with path.open("rb") as file:
        for line in file:
            if line.startswith(beginnings):
                yield line


def _key_in(line: bytes) -> bytes:
    """Returns the key of the run, which is the first field after the kind; empty for a line that was cut before it."""
    return b"".join(line.split(b'"', 8)[7:8])


def _beginning(kind: type) -> bytes:
    return f'{{"kind": "{kind.__name__}"'.encode()


def _parsed(line: bytes) -> Record | None:
    """Returns the record of a line; None for one that was cut."""
    try:
        return from_line(line.decode())
    except (ValueError, KeyError, TypeError):
        return None


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
