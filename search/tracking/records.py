"""Records for a tracking server, the names of what runs are tagged with, and the contract of a tracker.

Life of a record: the supervisor appends it to the outbox, a file, without waiting; a sender process reads the outbox
and applies each record through a `Tracker`, in order, repeating it until the server has taken it. So applying a record
twice must have the same effect as applying it once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Protocol

RunStatus = Literal["FINISHED", "KILLED", "FAILED"]
# A metric's name, its value, the epoch (from 1; 0 for a whole run) and Unix time in milliseconds.
Point = tuple[str, float, int, int]

# Tags of runs and models. Our own name of a run, which also finds a run whose creation was not acknowledged:
KEY_TAG = "apertune.key"
# MLflow's identifier of the run above:
PARENT_TAG = "mlflow.parentRunId"
# MLflow's own: the name and the description, in Markdown, that its pages show of a run or a model.
NAME_TAG, NOTE_TAG = "mlflow.runName", "mlflow.note.content"
# Tags of every run of a search and its trials:
KIND_TAG = "kind"
SEARCH_KIND, TRIAL_KIND, PROMOTION_KIND = "search", "trial", "promotion"
STATE_TAG = "state"
STUDY_TAG = "study"
DATASET_TAG = "dataset"
SPACE_TAG = "space"
# All objectives, joined by ", ".
OBJECTIVE_TAG = "objective"
FINGERPRINT_TAG = "fingerprint"
COMMAND_TAG = "command"
# Names and versions of packages, joined by ", ".
PACKAGES_TAG = "packages"
# Tags of a trial's run only:
TRIAL_TAG = "trial"
SEED_TAG = "seed"
MAX_EPOCHS_TAG = "max_epochs"
REASON_TAG = "reason"
# Original names of hyperparameters by the names that MLflow takes, as JSON; only where they differ.
NAMES_TAG = "hyperparameter_names"

# The folder, among the artifacts of a search's run, of what was sent from Python.
SENT_FILES = "sent"

# Metrics of a whole trial. The first objective, the epochs trained, and before the name of each metric of the best
# epoch's weights, on validation:
OBJECTIVE_METRIC = "objective"
EPOCHS_METRIC = "epochs"
BEST_PREFIX = "best_"


@dataclass(frozen=True)
class RunStarted:
    """A run begins, or goes on."""

    key: str
    """Our own name of the run, unique for ever."""
    experiment: str
    """Name of its experiment."""
    name: str
    """Name to show."""
    time_ms: int
    """Unix time in milliseconds."""
    parent: str = ""
    """Key of the run above it, or empty."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tags by name."""
    params: dict[str, str] = field(default_factory=dict)
    """Params by name."""


@dataclass(frozen=True)
class MetricsLogged:
    """Values of a run's metrics."""

    key: str
    """Key of the run."""
    points: tuple[Point, ...]
    """The values."""


@dataclass(frozen=True)
class TagsSet:
    """Tags of a run, in place of those of the same names."""

    key: str
    """Key of the run."""
    tags: dict[str, str]
    """Tags by name."""


@dataclass(frozen=True)
class DatasetLogged:
    """The data set that a run used."""

    key: str
    """Key of the run."""
    name: str
    """Name of the data set."""
    digest: str
    """Its fingerprint."""
    source: str
    """The place that it was read from."""
    facts: dict[str, str]
    """Facts to show with it, such as counts by split."""


@dataclass(frozen=True)
class FilesLogged:
    """The files of a folder, as artifacts of a run."""

    key: str
    """Key of the run."""
    folder: str
    """Path of the folder."""
    artifact_path: str = ""
    """The folder below the run's artifacts, or empty."""
    remove: bool = False
    """True to remove the local folder once the server has the files."""
    few_plots: bool = False
    """True to draw an evaluation in the folder only as far as trials are compared by it."""


@dataclass(frozen=True)
class ModelLogged:
    """A saved model, as the model of a run."""

    key: str
    """Key of the run."""
    folder: str
    """Path of the folder, in MLflow's model format."""
    name: str
    """Name of the model in MLflow, which finds it by `runs:/RUN/NAME`, too; see `mlflow_names`."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The model's metrics on validation, by name."""
    time_ms: int = 0
    """Unix time in milliseconds of its metrics; 0 for the model's own. A run's equal points are kept once."""
    tags: dict[str, str] = field(default_factory=dict)
    """Tags of the model by name."""
    remove: bool = False
    """True to remove the local folder once the server has the model."""


@dataclass(frozen=True)
class ModelDropped:
    """A run's model is to be deleted with its files; a run without a model stays as it is."""

    key: str
    """Key of the run."""


@dataclass(frozen=True)
class StudyChanged:
    """A study is to be drawn as it stands when this is sent.

    The sender draws it and gives trackers a `FilesLogged` in place of this record.
    """

    key: str
    """Key of the search's run, which gets the files."""
    study: str
    """Name of the study."""
    ended: bool = False
    """True to write the report as well."""


@dataclass(frozen=True)
class ViewSaved:
    """A table of runs that people open by its name; columns are `metrics.NAME`, `params.NAME` or `tags.NAME`."""

    key: str
    """Our own name of the view, unique in its experiment."""
    experiment: str
    """Name of the experiment."""
    name: str
    """Name to show."""
    runs: str
    """Filter of the runs, in the tracking server's language."""
    order_by: str
    """The column to sort by."""
    ascending: bool
    """True if the least value comes first."""
    columns: tuple[str, ...]
    """The columns to show, in order."""


@dataclass(frozen=True)
class RunEnded:
    """A run ends, for now or for good."""

    key: str
    """Key of the run."""
    status: RunStatus
    """The way it ended."""
    time_ms: int
    """Unix time in milliseconds."""


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
    """Returns a record as one line of JSON, without a line break."""
    return json.dumps({"kind": type(record).__name__, **asdict(record)}, ensure_ascii=False)


def from_line(line: str) -> Record:
    """Returns the record of a line. Raises ValueError, KeyError or TypeError for a line without a whole record."""
    document = json.loads(line)
    kind = _KINDS[document.pop("kind")]
    if kind is MetricsLogged:
        document["points"] = tuple((str(n), float(v), int(s), int(t)) for n, v, s, t in document["points"])
    if kind is ViewSaved:
        document["columns"] = tuple(document["columns"])
    return kind(**document)


class Tracker(Protocol):
    """Tells a tracking server. Each call raises whatever the server's client raises, and may then be repeated."""

    def apply(self, record: Record) -> None:
        """Applies a record; applying it again has no further effect."""
        ...

    def check(self) -> None:
        """Does something that any store takes, so that an error is the store's, and no record's; has no effect."""
        ...

    def run_ids(self) -> dict[str, str]:
        """Returns the server's identifiers, by our keys, of the runs that were started or found so far."""
        ...

    def settle(self, run_ids: Mapping[str, str], *, incomplete: Collection[str]) -> None:
        """Deletes runs and models that the server made a second time; called when all was applied.

        Args:
            run_ids: The server's identifiers, by our keys, of all runs of the outbox.
            incomplete: Keys of runs some of whose records the server did not take.
        """
        ...


class MemoryTracker:
    """Keeps the records it is given, for tests of this package and of others.

    Args:
        failures: How many calls fail before the first one that does not.
    """

    def __init__(self, failures: int = 0) -> None:
        self.records: list[Record] = []
        self._failures = failures

    def check(self) -> None:
        if self._failures:
            raise ConnectionError("the tracking server is down")

    def apply(self, record: Record) -> None:
        if self._failures:
            self._failures -= 1
            raise ConnectionError("the tracking server is down")
        if isinstance(record, FilesLogged | ModelLogged) and not Path(record.folder).is_dir():
            raise FileNotFoundError(record.folder)
        self.records.append(record)

    def run_ids(self) -> dict[str, str]:
        return {record.key: record.key for record in self.records if isinstance(record, RunStarted)}

    def settle(self, run_ids: Mapping[str, str], *, incomplete: Collection[str]) -> None:
        """Does nothing: what it is given it keeps once."""
