"""Settings of a search, each declared once, and the folder where a search keeps its results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import SettingError
from ..settings_fields import Declaration, declarations, setting
from ..text import remember_address
from .evaluation.costs import COST_NAMES
from .executors.places import PlaceSettings
from .strategies.pruners import EPOCH_PRUNERS, PRUNER_NAMES, ROUND_PRUNERS
from .strategies.samplers import SAMPLER_NAMES, SAMPLERS

# Half of what NumPy takes: the number of a study's finished trials is added to it.
LARGEST_SEED = 2**31 - 1


@dataclass(frozen=True)
class SearchSettings(PlaceSettings):
    """One launch of a study.

    Raises:
        SettingError: a value has another type than declared, is out of its bounds, or would have no effect.
    """

    space: str = setting(
        "convnet",
        "Search this space: a name that apertune spaces list shows, or package.module:Name of a KerasTuner HyperModel.",
        reference="own",
        group="Space",
    )
    recipe: str | None = setting(
        None,
        "Train a space of your own by this recipe, whose parameters are searched, too: standard.",
        rerun=True,
        reference="default",
        group="Space",
    )
    space_options: Mapping[str, str] = setting(
        {},
        "Set an option of the space, such as weights=none.",
        flag="space-option",
        rerun=True,
        reference="own",
        group="Space",
    )
    additions: str | None = setting(
        None,
        "Train with the callbacks, metrics and augmentation that apertune.tune kept under this name.",
        rerun=True,
        reference="default",
        group="Space",
    )
    fix: Mapping[str, str] = setting({}, "Hold a hyperparameter to one value.", reference="default", group="Space")
    narrow: Mapping[str, str] = setting(
        {},
        "Narrow a hyperparameter's range: NAME=LOW..HIGH or NAME=a,b,c.",
        metavar="NAME=RANGE",
        reference="default",
        group="Space",
    )
    objective: str | tuple[str, ...] | None = setting(
        None,
        "Search by this metric, or by kappa, worst_class_recall, fbeta:B, cost:FILE or package.module:function; repeat "
        "the flag for several objectives, which may be costs such as latency_ms.",
        shown_default="roc_auc for two classes, macro_f1 for more, map for several labels, or the data set's own",
        group="How it searches",
    )
    """The first objective is a metric of the answers; the others may be costs of the network."""
    trials: int = setting(20, "Try this many configurations.", least=1, reference="own", group="Budget")
    """The trials that an interrupted search still had to do are among them."""
    hours: float | None = setting(
        None,
        "Stop this many hours after the start; running trials go on with the next search.",
        positive=True,
        group="Budget",
    )
    total_epochs: int | None = setting(
        None, "End after this many epochs of all trials together.", least=1, reference="default", group="Budget"
    )
    target_value: float | None = setting(
        None, "End when the objective of a complete trial reaches this value.", reference="default", group="Budget"
    )
    epochs: int = setting(
        20, "Train each configuration for at most this many epochs.", least=1, reference="own", group="Budget"
    )
    patience: int | None = setting(
        5,
        "End a trial after this many epochs without improvement.",
        least=1,
        rerun=True,
        reference="own",
        group="Budget",
    )
    """None trains every trial to its last epoch."""
    trial_hours: float | None = setting(
        None,
        "Prune a trial that takes longer than this; the time starts anew when it is tried again.",
        positive=True,
        group="Budget",
    )
    study: str | None = setting(
        None,
        "Start or continue this study.",
        shown_default="DATASET-SPACE; where that was made with other settings, DATASET-SPACE-2 and so on",
        reference="own",
        group="Results",
    )
    seed: int | None = setting(
        0,
        f"Use this random seed for sampling and training, from 0 to {LARGEST_SEED}.",
        least=0,
        most=LARGEST_SEED,
        group="How it searches",
    )
    """None draws a fresh seed."""
    sampler: str = setting("guided", "Draw values with this sampler.", choices=SAMPLER_NAMES, group="How it searches")
    prior: str = setting(
        "weak",
        "Draw the first trials, and some later ones, near what the space believes, which are the defaults: none draws "
        "them evenly, strong draws them nearer than weak.",
        choices=("none", "weak", "strong"),
        reference="default",
        group="How it searches",
    )
    believe: Mapping[str, str] = setting(
        {},
        "Draw a hyperparameter mostly from where you believe it to be good: NAME=LOW..HIGH or NAME=a,b,c. Others stay "
        "possible.",
        metavar="NAME=RANGE",
        reference="default",
        group="Space",
    )
    portfolio: str = setting(
        "shipped",
        "Try configurations that were good on other data sets first, after the defaults, in at most a third of the "
        "trials: shipped or none.",
        choices=("none", "shipped"),
        reference="default",
        group="How it searches",
    )
    pruner: str | None = setting(
        None,
        "End weak trials with this pruner.",
        choices=PRUNER_NAMES,
        shown_default="chance; with --folds or --repeats paired",
        reference="own",
        group="How it searches",
    )
    sampler_options: Mapping[str, str] = setting(
        {},
        "Set an option of the sampler (see docs/searching.md).",
        flag="sampler-option",
        reference="default",
        group="How it searches",
    )
    pruner_options: Mapping[str, str] = setting(
        {},
        "Set an option of the pruner (see docs/searching.md).",
        flag="pruner-option",
        reference="default",
        group="How it searches",
    )
    folds: int | None = setting(
        None,
        "Score each configuration by cross-validation with this many folds.",
        least=2,
        rerun=True,
        group="How it searches",
    )
    """None scores on the data set's own validation split."""
    repeats: int = setting(
        1,
        "Train each configuration this many times with different seeds (on each fold).",
        least=1,
        rerun=True,
        group="How it searches",
    )
    from_study: str | None = setting(
        None,
        "Try the five best configurations of this other study first; in a new study, after the space's defaults.",
        reference="default",
        group="How it searches",
    )
    from_studies: str | None = setting(
        None,
        "Try the best configuration of each earlier study of the same space first, the latest studies first, in at "
        "most a third of the trials: all.",
        choices=("all",),
        reference="default",
        group="How it searches",
    )
    max_parameters: float | None = setting(
        None, "Train no network that has more parameters than this.", positive=True, reference="default", group="Space"
    )
    max_size_mb: float | None = setting(
        None,
        "Train no network whose weights take more megabytes than this.",
        positive=True,
        reference="default",
        group="Space",
    )
    max_flops: float | None = setting(
        None,
        "Train no network that takes more operations per image than this.",
        positive=True,
        reference="default",
        group="Space",
    )
    max_latency_ms: float | None = setting(
        None,
        "Train no network that takes more milliseconds per image than this, as measured on this machine.",
        positive=True,
        reference="default",
        group="Space",
    )
    storage: str | None = setting(
        None,
        "Use the studies at this Optuna storage URL.",
        shown_default="APERTUNE_STORAGE, without it mlflow/studies.db",
        recorded=False,
        group="Results",
    )
    """The URL may hold a password, so it is not recorded."""
    mixed_precision: bool = setting(
        False, "Compute in bfloat16; weights stay float32.", rerun=True, group="Where it runs"
    )
    keep_models: str = setting(
        "all",
        "Keep these models in MLflow: all, those of the K best trials, or none.",
        metavar="all|best:K|none",
        rerun=True,
        group="Results",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.in_rounds and self.pruning not in ROUND_PRUNERS:
            raise SettingError(
                f"with --folds or --repeats trials are pruned by their rounds, not by epochs: --pruner must be "
                f"{', '.join(ROUND_PRUNERS[:0:-1])} or {ROUND_PRUNERS[0]}, but got {self.pruning}"
            )
        if not self.in_rounds and self.pruning not in EPOCH_PRUNERS:
            raise SettingError(f"--pruner {self.pruning} compares folds or repeats; give --folds or --repeats with it")
        if self.study is not None and not re.fullmatch(r"[\w][\w.-]{0,99}", self.study):
            raise SettingError(
                f"--study must be letters, digits, '.', '_' and '-' (at most 100), but got '{self.study}'"
            )
        most_models(self.keep_models)
        if self.believe and (self.prior == "none" or not SAMPLERS[self.sampler].uses_prior):
            cause = "--prior none" if self.prior == "none" else f"--sampler {self.sampler}"
            raise SettingError(f"--believe has no effect with {cause}; leave one of the two out")
        both = set(self.fix) & set(self.narrow)
        if both:
            raise SettingError(f"--fix and --narrow both name {', '.join(sorted(both))}; give one of them")

    @property
    def objectives(self) -> tuple[str, ...]:
        """The objectives that were asked for; empty for the data set's own."""
        given = self.objective
        return (given,) if isinstance(given, str) else tuple(given or ())

    @property
    def rounds(self) -> int:
        """The number of trainings per trial."""
        return (self.folds or 1) * self.repeats

    @property
    def in_rounds(self) -> bool:
        """True where a trial is several trainings."""
        return self.rounds > 1

    @property
    def pruning(self) -> str:
        """The pruner's name."""
        return self.pruner or ("paired" if self.in_rounds else "chance")

    @property
    def limits(self) -> dict[str, float]:
        """The most that a network may cost, by the name of the cost."""
        bounds = {name: getattr(self, f"max_{name}") for name in COST_NAMES}
        return {name: float(bound) for name, bound in bounds.items() if bound is not None}


def search_declarations() -> list[Declaration]:
    """Returns the settings of a search in the order of its help: where trials run comes before the study."""
    places = declarations(PlaceSettings)
    own = [declared for name, declared in declarations(SearchSettings).items() if name not in places]
    before = [declared.name for declared in own].index("study")
    return [*own[:before], *places.values(), *own[before:]]


def reference_defaults() -> dict[str, Any]:
    """Returns the settings that training a published reference sets back to their defaults."""
    return {name: one.default for name, one in declarations(SearchSettings).items() if one.reference == "default"}


def most_models(rule: str) -> int | None:
    """Returns the most models that a rule keeps: None for `all`, 0 for `none`, K for `best:K`.

    Raises:
        SettingError: the rule is none of these.
    """
    if rule == "all":
        return None
    if rule == "none":
        return 0
    if found := re.fullmatch(r"best:([1-9]\d*)", rule):
        return int(found[1])
    raise SettingError(f"--keep-models must be all, none or best:K such as best:3, but got '{rule}'")


@dataclass(frozen=True)
class Home:
    """The folder and the databases that keep the results of searches."""

    root: Path
    """The folder `mlflow` in the working directory unless told otherwise."""
    tracking_uri: str = field(repr=False)
    """The MLflow server or store: `MLFLOW_TRACKING_URI`, else the SQLite store under the root."""
    storage: str = field(repr=False)
    """The Optuna storage URL of the studies."""

    def __post_init__(self) -> None:
        # Both may hold passwords, which errors of MLflow, Optuna and database drivers repeat.
        remember_address(self.tracking_uri)
        remember_address(self.storage)

    @property
    def studies_file(self) -> Path | None:
        """The SQLite file under the root that keeps the studies; None when the user named another storage."""
        return self.root / "studies.db" if self.storage == _local_studies(self.root) else None

    @property
    def artifacts(self) -> Path | None:
        """The folder for the files of the local store's experiments; None when a server decides."""
        return self.root / "artifacts" if self.tracking_uri == _local_store(self.root) else None

    @property
    def spaces(self) -> Path:
        """The folder of spaces that were sent from Python."""
        return self.root / "spaces"

    def study_folder(self, name: str) -> Path:
        """The folder of a study's own files."""
        return self.root / "studies" / name

    def answers_folder(self, name: str) -> Path:
        """The folder of the answers that a study's best trials gave to the validation images."""
        return self.study_folder(name) / "answers"

    def stop_file(self, name: str) -> Path:
        """The file whose existence asks the search of a study to stop."""
        return self.study_folder(name) / "stop"

    def ask_to_stop(self, name: str) -> None:
        """Makes that file, which other users cannot read."""
        self.stop_file(name).touch(mode=0o600)

    def records_file(self, name: str) -> Path:
        """The file of a study's ended trials, for `RecordFile`."""
        return self.study_folder(name) / "trials.jsonl"


def make_home(environment: Mapping[str, str], *, root: Path | None = None, storage: str | None = None) -> Home:
    """Makes a home from the environment.

    Args:
        environment: the environment variables of the process.
        root: the folder; `mlflow` in the working directory unless given.
        storage: the Optuna storage URL; the variable `APERTUNE_STORAGE`, or a file under the root, unless given.
    """
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
