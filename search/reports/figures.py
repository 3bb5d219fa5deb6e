"""Single figures of a study, for notebooks: plotly's, from what the study and its trials' answers hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import StudyError
from ..evaluation.decisions import answers, confusion_matrix
from ..evaluation.study_plots import study_figure
from ..results import StudyResult, read_study
from ..settings import Home
from ..studies.opening import open_study
from ..studies.readable import readable
from ..studies.storage.storage import open_to_read
from ..studies.trial_records import TrialRecord
from .report import learning_curves_figure
from .sources import dataset_facts, histories
from .trial_comparison import trial_answers

if TYPE_CHECKING:
    import plotly.graph_objects as go

TITLES = ("History", "Importance", "Slice", "Parallel coordinate", "Contour", "Pareto front", "Timeline")


def figure_of_study(home: Home, name: str, title: str) -> go.Figure:
    """Returns one of a study's figures.

    Args:
        home: Where the study is.
        name: The study's name.
        title: One of `TITLES`.

    Raises:
        StudyError: There is no such study, or it has too few trials for the figure.
    """
    study = open_study(open_to_read(home), name)
    objectives = [objective for objective, _ in study.definition.objectives]
    figure = study_figure(readable(study), title, objectives)
    if figure is None:
        raise StudyError(
            f"study '{name}' has too few complete trials for this figure, which needs three or more that differ"
            if title != "History"
            else f"study '{name}' has no complete trial yet"
        )
    return figure


def curves_figure(home: Home, name: str, most: int) -> go.Figure:
    """Returns the learning curves of a study's best trials.

    Raises:
        StudyError: There is no such study, or it has no complete trial.
    """
    study = open_study(open_to_read(home), name)
    best = _complete(read_study(home, name))[:most]
    return learning_curves_figure(histories(study, best), study.definition.objective)


def confusion_figure(home: Home, name: str, number: int | None, classes: tuple[str, ...] = ()) -> go.Figure:
    """Returns the confusion matrix of a trial on the validation images.

    Args:
        home: Where the study is.
        name: The study's name.
        number: The trial; the best one unless given.
        classes: Names of the classes; those that the searches noted, or else numbers, unless given.

    Raises:
        StudyError: There is no such study or complete trial, or its images carry several labels.
    """
    import plotly.graph_objects as go

    result = read_study(home, name)
    if result.definition.task == "multilabel":
        raise StudyError(f"study '{name}' is of several labels per image, which have no confusion matrix")
    chosen = _complete(result)[0].number if number is None else number
    labels, probabilities = trial_answers(home, result, chosen)
    count = max(2, probabilities.shape[1])
    noted = classes or class_names(home, name)
    names = list(noted if len(noted) == count else map(str, range(count)))
    matrix = confusion_matrix(labels, answers(labels, probabilities), count)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    heat = go.Heatmap(
        z=shares, x=names, y=names, text=matrix, texttemplate="%{text}", colorscale="Blues", zmin=0, zmax=1,
        colorbar={"title": "share of the row"},
    )  # fmt: skip
    layout = {"template": "plotly_white", "height": 420, "margin": {"t": 30}}
    figure = go.Figure(heat).update_layout(**layout, xaxis_title="answer", yaxis_title="true class")
    figure.update_xaxes(type="category")
    return figure.update_yaxes(autorange="reversed", type="category")


def class_names(home: Home, name: str) -> tuple[str, ...]:
    """Returns the classes that the searches of a study noted here; none where names cannot be told apart."""
    study = open_study(open_to_read(home), name)
    facts = dataset_facts(home, study)
    return tuple(facts.get("classes", "").split(", ")) if facts.get("classes") else ()


def _complete(study: StudyResult) -> list[TrialRecord]:
    complete = study.complete()
    if not complete:
        raise StudyError(f"study '{study.name}' has no complete trial yet")
    return complete
