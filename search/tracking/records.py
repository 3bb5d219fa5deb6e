"""What is told to a tracking server, and the contract of whoever tells it.

Life of a record: the supervisor appends it to the outbox (a file) and goes on; a sender process reads the outbox
and applies each record through a `Tracker`, in order, again and again until the server has taken it. So applying a
record twice must be the same as applying it once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]
# Of a run: MLflow's number of the run above it.
PARENT_TAG = "mlflow.parentRunId"
# A metric's name, its value, the epoch (1-based; 0 for a whole run) and Unix time in milliseconds.
Point = tuple[str, float, int, int]


@dataclass(frozen=True)
class RunStarted:
    """key: our own name of the run, unique for ever; parent: the key of the run above it, or empty."""

    key: str
    experiment: str
    name: str
    time_ms: int
    parent: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricsLogged:
    key: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class TagsSet:
    key: str
    tags: dict[str, str]


@dataclass(frozen=True)
class DatasetLogged:
    """A data set as a logged input. digest: its fingerprint. facts: shown with it, such as counts by split."""

    key: str
    name: str
    digest: str
    source: str
    facts: dict[str, str]


@dataclass(frozen=True)
class FilesLogged:
    """A folder's files as artifacts. The folder is removed once they are safe, if `remove`."""

    key: str
    folder: str
    artifact_path: str = ""
    remove: bool = False


@dataclass(frozen=True)
class ModelLogged:
    """A saved MLflow model folder as the run's model called `name`. `metrics`: of the model, on validation."""

    key: str
    folder: str
    name: str
    metrics: dict[str, float] = field(default_factory=dict)
    remove: bool = False


@dataclass(frozen=True)
class ModelDropped:
    """The run's model is not to be kept any longer, its files included. A run that has none stays as it is."""

    key: str


@dataclass(frozen=True)
class StudyChanged:
    """A study to be drawn as it stands when this is sent, by the sender: trackers meet its files instead.

    key: of the search's run, which gets the files. ended: whether to write the report, too.
    """

    key: str
    study: str
    ended: bool = False


@dataclass(frozen=True)
class ViewSaved:
    """A table of runs that people open by its name.

    key: our own name of the view, unique in its experiment. runs: a filter in the tracking server's language.
    order_by: a column; columns: those shown, in order; each as `metrics.NAME`, `params.NAME` or `tags.NAME`.
    """

    key: str
    experiment: str
    name: str
    runs: str
    order_by: str
    ascending: bool
    columns: tuple[str, ...]


@dataclass(frozen=True)
class RunEnded:
    key: str
    status: RunStatus
    time_ms: int


Record = (
    RunStarted
    | MetricsLogged
    | TagsSet
    | DatasetLogged
    | FilesLogged
    | ModelLogged
    | ModelDropped
    | StudyChanged
    | ViewSaved
    | RunEnded
)

_KINDS: dict[str, type[Record]] = {
    kind.__name__: kind
    for kind in (
        RunStarted,
        MetricsLogged,
        TagsSet,
        DatasetLogged,
        FilesLogged,
        ModelLogged,
        ModelDropped,
        StudyChanged,
        ViewSaved,
        RunEnded,
    )
}


def to_line(record: Record) -> str:
    """One line of JSON, without its end."""
    return json.dumps({"kind": type(record).__name__, **asdict(record)}, ensure_ascii=False)


def from_line(line: str) -> Record:
    """Raises ValueError or KeyError for a line that holds no whole record."""
    document = json.loads(line)
    kind = _KINDS[document.pop("kind")]
    if kind is MetricsLogged:
        document["points"] = tuple((str(n), float(v), int(s), int(t)) for n, v, s, t in document["points"])
    if kind is ViewSaved:
        document["columns"] = tuple(document["columns"])
    return kind(**document)


class Tracker(Protocol):
    """Tells a tracking server. Each call raises whatever the server's client raises, and may then be repeated."""

    def apply(self, record: Record) -> None: ...

    def run_ids(self) -> dict[str, str]:
        """The server's run identifiers by our keys, of the runs started or found so far."""
        ...


class MemoryTracker:
    """The fake that ships with the interface: keeps what it is told. `failures` calls fail first."""

    def __init__(self, failures: int = 0) -> None:
        self.records: list[Record] = []
        self._failures = failures

    def apply(self, record: Record) -> None:
        if self._failures:
            self._failures -= 1
            raise ConnectionError("the tracking server is down")
        if isinstance(record, FilesLogged | ModelLogged) and not Path(record.folder).is_dir():
            raise FileNotFoundError(record.folder)
        self.records.append(record)

    def run_ids(self) -> dict[str, str]:
        return {record.key: record.key for record in self.records if isinstance(record, RunStarted)}
