"""What one promotion works on, handed from step to step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...datasets.base import ImageDataset, TrainingView
from ..evaluation.metrics import Metric
from ..results import StudyResult
from ..settings import Home
from .settings import PromotionSettings


@dataclass(frozen=True, eq=False)
class Job:
    """metric: the study's objective. say: takes lines for a person. scratch: a folder that ends with the promotion."""

    dataset: ImageDataset
    view: TrainingView
    study: StudyResult
    metric: Metric
    settings: PromotionSettings
    home: Home
    say: Callable[[str], None]
    scratch: Path

    @property
    def study_folder(self) -> Path:
        return self.home.study_folder(self.study.name)

    @property
    def trainings_folder(self) -> Path:
        """Where finished trainings are kept, for a promotion that is repeated."""
        return self.study_folder / "promotion"
