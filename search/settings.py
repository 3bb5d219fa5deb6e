"""What a search is asked to do, checked once, here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from ..errors import SettingError, UnknownNameError
from ..setting_types import check_types, flag_of
from .evaluation.costs import COST_NAMES

SAMPLER_NAMES = ("cmaes", "gp", "grid", "nsga2", "qmc", "random", "tpe")
PRUNER_NAMES = ("hyperband", "median", "none", "percentile", "successive-halving", "wilcoxon")
# What prunes by the folds or repeats of a trial; all others but none do so by its epochs.
ROUND_PRUNERS = ("none", "wilcoxon")
# Half of what NumPy takes: the number of a study's finished trials is added to it.
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class PlaceSettings:
    """Where trials run: by which workers, on which devices, of this machine or of a cluster.

    Raises:
        SettingError: a value has another type than declared, is out of its range, or would have no effect.
    """

    workers: int | None = None
    """Worker processes beside each other; None starts one per GPU, or without GPUs one per processor."""
    gpus: tuple[int, ...] | None = None
    """Numbers of the GPUs to use; None uses all there are, an empty tuple none."""
    per_gpu: int = 1
    """Workers that share a GPU."""
    cluster: str | None = None
    """The Ray cluster to run on, `auto` or `ray://HOST:PORT`; None runs on this machine."""
    hang_minutes: float = 30.0
    """A trial that reports nothing for this long is killed and tried once more."""

    def __post_init__(self) -> None:
        check_types(self)
        self._check_ranges()
        self._check_places()

    def _check_ranges(self) -> None:
        for setting in fields(self):
            name, value = setting.name, getattr(self, setting.name)
            if value is None:
                continue
            if name in _LEAST and value < _LEAST[name]:
                raise SettingError(f"--{flag_of(setting)} must be at least {_LEAST[name]}, but got {value}")
            if name in _POSITIVE and value <= 0:
                raise SettingError(f"--{flag_of(setting)} must be more than 0, but got {value}")

    def _check_places(self) -> None:
        """Refuses settings that would have no effect on where trials run."""
        if self.gpus and len(set(self.gpus)) < len(self.gpus):
            raise SettingError(
                f"--gpus names each GPU once, but got {','.join(map(str, self.gpus))}; --per-gpu shares one"
            )
        if self.gpus and self.workers is not None:
            raise SettingError("--workers counts workers on processors; with --gpus say --per-gpu instead")
        if self.per_gpu > 1 and (self.workers is not None or self.gpus == ()):
            without = "--workers" if self.workers is not None else "--gpus none"
            raise SettingError(f"--per-gpu shares GPUs, but with {without} trials run on processors; leave one out")
        if self.cluster is None:
            return
        if not re.fullmatch(r"auto|ray://[^/\s@]+:\d+", self.cluster):
            raise SettingError(f"--cluster must be auto or ray://HOST:PORT, but got '{self.cluster}'")
        if self.gpus:
            raise SettingError("--gpus numbers GPUs of this machine; with --cluster say all or none: Ray chooses them")


@dataclass(frozen=True)
class SearchSettings(PlaceSettings):
    """One launch of a study.

    space: a name of `apertune spaces list`, or `package.module:Name`. recipe: composed with a foreign space.
    fix, narrow: parameters held to one value, or to a part of their range, as the user wrote them.
    objective: a metric of the answers; after it, if several are given, other metrics or costs of the network.
    trials: how many this search brings, an interrupted search's remainder included. hours: at most so long.
    total_epochs: at most so many, over all its trials. target_value: enough, once a trial's objective reaches it.
    epochs: of a trial at most. patience: epochs without improvement after which a trial ends; None never.
    workers: processes beside each other; None: one a GPU, else one a processor. gpus: their numbers, or None for
    all there are. per_gpu: workers on each. cluster: the Ray cluster to run on, auto or ray://HOST:PORT; None: this
    machine. study: its name; None: chosen from data set and space.
    seed: of sampling and training, 0 to `LARGEST_SEED`; None draws a fresh one. trial_hours: at most so long for one
    trial. hang_minutes: a trial that says nothing for so long is killed, and tried once more. keep_models: whose models
    MLflow keeps: all, none, or best:K. sampler_options, pruner_options: see `strategies`. pruner: hyperband unless
    given, wilcoxon with folds or repeats. folds: cross-validation with so many parts, None for the data set's own
    validation split. repeats: trainings of each configuration (on each fold). from_study: whose best configurations are
    tried first.
    max_parameters, max_size_mb, max_flops, max_latency_ms: a network over one of these is not trained.

    Raises SettingError for a value of another type than declared, out of its range, or without effect.
    """

    space: str = "convnet"
    recipe: str | None = None
    space_options: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "space-option"})
    fix: Mapping[str, str] = field(default_factory=dict)
    narrow: Mapping[str, str] = field(default_factory=dict)
    objective: str | tuple[str, ...] | None = None
    trials: int = 20
    hours: float | None = None
    epochs: int = 20
    patience: int | None = 5
    study: str | None = None
    seed: int | None = 0
    sampler: str = "tpe"
    pruner: str | None = None
    sampler_options: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "sampler-option"})
    pruner_options: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "pruner-option"})
    folds: int | None = None
    repeats: int = 1
    total_epochs: int | None = None
    target_value: float | None = None
    from_study: str | None = None
    max_parameters: float | None = None
    max_size_mb: float | None = None
    max_flops: float | None = None
    max_latency_ms: float | None = None
    storage: str | None = None
    trial_hours: float | None = None
    mixed_precision: bool = False
    keep_models: str = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed is not None and not 0 <= self.seed <= LARGEST_SEED:
            raise SettingError(f"--seed must be from 0 to {LARGEST_SEED}, but got {self.seed}")
        if self.sampler not in SAMPLER_NAMES:
            raise UnknownNameError("sampler", self.sampler, SAMPLER_NAMES)
        if self.pruning not in PRUNER_NAMES:
            raise UnknownNameError("pruner", self.pruning, PRUNER_NAMES)
        if self.in_rounds and self.pruning not in ROUND_PRUNERS:
            raise SettingError(
                f"with --folds or --repeats trials are pruned by their rounds, not by epochs: --pruner must be "
                f"{' or '.join(reversed(ROUND_PRUNERS))}, but got {self.pruning}"
            )
        if not self.in_rounds and self.pruning == "wilcoxon":
            raise SettingError("--pruner wilcoxon compares folds or repeats; give --folds or --repeats with it")
        if self.study is not None and not re.fullmatch(r"[\w][\w.-]{0,99}", self.study):
            raise SettingError(
                f"--study must be letters, digits, '.', '_' and '-' (at most 100), but got '{self.study}'"
            )
        most_models(self.keep_models)
        both = set(self.fix) & set(self.narrow)
        if both:
            raise SettingError(f"--fix and --narrow both name {', '.join(sorted(both))}; give one of them")

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives that were asked for; none for the data set's own."""
        given = self.objective
        return (given,) if isinstance(given, str) else tuple(given or ())

    @property
    def rounds(self) -> int:
        """Trainings a trial takes."""
        return (self.folds or 1) * self.repeats

    @property
    def in_rounds(self) -> bool:
        """Whether a trial is several trainings."""
        return self.rounds > 1

    @property
    def pruning(self) -> str:
        """The pruner by name."""
        return self.pruner or ("wilcoxon" if self.in_rounds else "hyperband")

    @property
    def limits(self) -> dict[str, float]:
        """What a network may cost at most, by the cost's name."""
        bounds = {name: getattr(self, f"max_{name}") for name in COST_NAMES}
        return {name: float(bound) for name, bound in bounds.items() if bound is not None}


_LEAST = {
    "trials": 1,
    "epochs": 1,
    "per_gpu": 1,
    "patience": 1,
    "workers": 1,
    "folds": 2,
    "repeats": 1,
    "total_epochs": 1,
}
_POSITIVE = ("hours", "trial_hours", "hang_minutes", *(f"max_{name}" for name in COST_NAMES))


def most_models(rule: str) -> int | None:
    """How many models a rule keeps at most: `all` None, `none` 0, `best:K` K. Raises SettingError for another word."""
    if rule == "all":
        return None
    if rule == "none":
        return 0
    if found := re.fullmatch(r"best:([1-9]\d*)", rule):
        return int(found[1])
    raise SettingError(f"--keep-models must be all, none or best:K such as best:3, but got '{rule}'")


@dataclass(frozen=True)
class Home:
    """Where a search leaves what it leaves. root: the folder `mlflow` in the working directory unless told otherwise.

    tracking_uri: what `MLFLOW_TRACKING_URI` says, else the SQLite store under the root.
    """

    root: Path
    tracking_uri: str
    storage: str

    @property
    def studies_file(self) -> Path | None:
        """The SQLite file under the root that keeps the studies; None when the user named another storage."""
        return self.root / "studies.db" if self.storage == _local_studies(self.root) else None

    @property
    def artifacts(self) -> Path | None:
        """Where experiments of the local store keep their files; None when a server decides."""
        return self.root / "artifacts" if self.tracking_uri == _local_store(self.root) else None

    def study_folder(self, name: str) -> Path:
        return self.root / "studies" / name

    def stop_file(self, name: str) -> Path:
        """The file that asks the search of a study to stop, once it is there."""
        return self.study_folder(name) / "stop"

    def records_file(self, name: str) -> Path:
        """A study's ended trials, for `RecordFile`."""
        return self.study_folder(name) / "trials.jsonl"


def make_home(environment: Mapping[str, str], *, root: Path | None = None, storage: str | None = None) -> Home:
    """environment: the process's. root: defaults to `mlflow` in the working directory."""
    folder = (root or Path("mlflow")).resolve()
    return Home(
        root=folder,
        tracking_uri=environment.get("MLFLOW_TRACKING_URI") or _local_store(folder),
        storage=storage or environment.get("APERTUNE_STORAGE") or _local_studies(folder),
    )


def _local_studies(root: Path) -> str:
    return f"sqlite:///{root / 'studies.db'}"


def _local_store(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"
