"""A study with its plots, which the pages about it share."""

from __future__ import annotations

from dataclasses import dataclass

import optuna

from ..evaluation.study_plots import StudyFigures, study_figures
from .readable import readable
from .study import Study


@dataclass(frozen=True, eq=False)
class DrawnStudy:
    """A study with its plots."""

    study: Study
    """The study."""
    shown: optuna.Study
    """Its `readable` copy. Charts and tables are made from this one, so that they agree."""
    figures: StudyFigures
    """Its `study_figures`."""

    @classmethod
    def of(cls, study: Study) -> DrawnStudy:
        """Draws a study as it stands."""
        shown = readable(study)
        return cls(study, shown, study_figures(shown, [objective for objective, _ in study.definition.objectives]))
