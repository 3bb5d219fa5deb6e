"""What a study is about, fixed when it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...datasets.base import Task
from ...spaces.search_space.parameters import SearchSpace
from ...spaces.search_space.wording import describe_difference

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class StudyDefinition:
    """Two searches may share a study only when these agree.

    space: name; search_space: its JSON, with the user's narrowing; data: what to say of the data's origin.
    objective, direction: the first, which prunes and ranks. more_objectives: the others, name and direction.
    recipe, space_options: what a foreign space is composed with, and the space's own options.
    limits: what a network may cost at most. folds: None for the data set's own validation split; repeats: trainings
    of a configuration on each.
    """

    dataset: str
    data: str
    task: Task
    fingerprint: str
    space: str
    search_space: str
    objective: str
    direction: Direction
    epochs: int
    more_objectives: tuple[tuple[str, Direction], ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    folds: int | None = None
    repeats: int = 1
    recipe: str | None = None
    space_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def objectives(self) -> tuple[tuple[str, Direction], ...]:
        """All of them, name and direction, the first one first."""
        return ((self.objective, self.direction), *self.more_objectives)

    @property
    def rounds(self) -> int:
        """Trainings a trial takes."""
        return (self.folds or 1) * self.repeats

    def differences(self, other: StudyDefinition) -> list[str]:
        """What `other` asks that this study was not made for, a line each; empty when they agree."""
        lines = [
            f"{name}: {mine} there, {theirs} here"
            for name, mine, theirs in zip(_COMPARED, self._compared(), other._compared(), strict=True)
            if mine != theirs
        ]
        mine, theirs = SearchSpace.from_json(self.search_space), SearchSpace.from_json(other.search_space)
        return lines + describe_difference(mine, theirs)

    def _compared(self) -> tuple[object, ...]:
        limits = ", ".join(f"{name} {limit:g}" for name, limit in self.limits.items()) or "none"
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
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> StudyDefinition:
        """What `to_dict` gave, after a journey through JSON."""
        more = tuple((name, direction) for name, direction in given.get("more_objectives", ()))
        return cls(**{**given, "more_objectives": more})


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
)


@dataclass(frozen=True)
class Launch:
    """The latest search in a study: it is to bring it to `target` trials, and asked for `trials` of them.

    total_epochs: what it asked for; epochs: how many the study's trials may have taken when it ends. ended: it came to
    its end, and was neither stopped nor killed before.
    """

    trials: int
    target: int
    total_epochs: int | None = None
    epochs: int | None = None
    ended: bool = False
