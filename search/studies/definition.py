"""The definition of a study, fixed when it is made, and the latest search in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...datasets.base import Task
from ...spaces.search_space.parameters import SearchSpace
from ...spaces.search_space.wording import describe_difference
from ...text import shown_number
from ..evaluation.direction import Direction


@dataclass(frozen=True)
class StudyDefinition:
    """The subject of a study; searches share the study if they agree in all that `differences` compares."""

    dataset: str
    """Name of the data set."""
    data: str
    """Description of where the data came from, to be shown; not compared, since the fingerprint tells data apart."""
    task: Task
    """The data set's task."""
    fingerprint: str
    """The data set's fingerprint."""
    space: str
    """Name of the space."""
    search_space: str
    """The space's parameters as JSON, narrowed as the user asked."""
    objective: str
    """The first objective, by which trials are pruned and ranked."""
    direction: Direction
    """Its direction."""
    epochs: int
    """Maximum epochs per training."""
    more_objectives: tuple[tuple[str, Direction], ...] = ()
    """Names and directions of the other objectives."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """The most that a network may cost, by names of costs."""
    folds: int | None = None
    """Number of folds of the data; None for the data set's own validation split."""
    repeats: int = 1
    """Trainings of each configuration on each fold, or on the one validation split."""
    recipe: str | None = None
    """The recipe that a foreign space is composed with."""
    space_options: Mapping[str, str] = field(default_factory=dict)
    """The space's own options."""

    additions: str | None = None
    """Name of the callbacks, metrics and augmentation that were sent along from Python."""

    @property
    def objectives(self) -> tuple[tuple[str, Direction], ...]:
        """Names and directions of all objectives, the first one first."""
        return ((self.objective, self.direction), *self.more_objectives)

    @property
    def rounds(self) -> int:
        """Number of trainings per trial."""
        return (self.folds or 1) * self.repeats

    def differences(self, other: StudyDefinition) -> list[str]:
        """Returns one line for each point in which `other` differs from what this study was made for."""
        lines = [
            f"{name}: {mine} there, {theirs} here"
            for name, mine, theirs in zip(_COMPARED, self._compared(), other._compared(), strict=True)
            if mine != theirs
        ]
        mine, theirs = SearchSpace.from_json(self.search_space), SearchSpace.from_json(other.search_space)
        return lines + describe_difference(mine, theirs)

    def _compared(self) -> tuple[object, ...]:
        limits = ", ".join(f"{name} {shown_number(limit)}" for name, limit in self.limits.items()) or "none"
        return (
            self.dataset,
            self.space,
            ", ".join(name for name, _ in self.objectives),
            self.epochs,
            f"fingerprint {self.fingerprint[:12]}",
            limits,
            self.folds or "none",
            self.repeats,
            self.recipe or "none",
            ", ".join(f"{name}={text}" for name, text in sorted(self.space_options.items())) or "none",
            self.additions or "none",
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns all fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> StudyDefinition:
        """Returns the definition that `to_dict` was called on; `given` may have been through JSON."""
        more = tuple((name, Direction(direction)) for name, direction in given.get("more_objectives", ()))
        return cls(**{**given, "direction": Direction(given["direction"]), "more_objectives": more})


_COMPARED = (
    "data set",
    "space",
    "objective",
    "epochs",
    "data",
    "limits",
    "folds",
    "repeats",
    "recipe",
    "space options",
    "callbacks, metrics and augmentation",
)


@dataclass(frozen=True)
class Launch:
    """The latest search in a study."""

    trials: int
    """The number of trials that it asked for."""
    target: int
    """The number of trials that the study has at its end."""
    total_epochs: int | None = None
    """The number of epochs that it asked for; None without a limit."""
    epochs: int | None = None
    """The number of epochs that all trials of the study may have taken at its end; None without a limit."""
    ended: bool = False
    """True once it came to its end, neither stopped nor killed before."""
