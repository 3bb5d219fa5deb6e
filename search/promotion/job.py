"""The facts of one promotion, handed from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...datasets.base import ImageDataset, TrainingView
from ..engine.state import State
from ..evaluation.metrics import Metric
from ..executors.places import PlaceSettings
from ..results import StudyResult
from ..settings import Home
from .settings import PromotionSettings


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that the steps of a promotion share."""

    dataset: ImageDataset
    view: TrainingView
    study: StudyResult
    metric: Metric
    """The objective of the study."""

    settings: PromotionSettings
    places: PlaceSettings
    home: Home
    say: Callable[[str], None]
    """Called with each line for the user."""

    show: Callable[[State], None]
    """Called repeatedly with the state of the running trainings."""

    scratch: Path
    """A folder that is removed when the promotion ends."""

    @property
    def study_folder(self) -> Path:
        return self.home.study_folder(self.study.name)

    @property
    def trainings_folder(self) -> Path:
        """The folder of finished trainings, kept for a promotion that is repeated."""
        return self.study_folder / "promotion"
