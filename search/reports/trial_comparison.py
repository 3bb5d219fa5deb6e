"""Chosen trials side by side, and tests of their predictions or rounds that tell whether differences are real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...datasets.base import Labels
from ...errors import ModelError, StudyError
from ...files.scratch import scratch_folder
from ..evaluation.comparison import PairComparison, ParameterRow, compare_pairs, compare_rounds, parameter_rows
from ..evaluation.decisions import Probabilities
from ..evaluation.pages import plot_html, plotly_script, render, write_page
from ..evaluation.saved import read_answers
from ..results import StudyResult
from ..settings import Home
from ..studies.definition import StudyDefinition
from ..studies.opening import open_study
from ..studies.storage.storage import open_storage
from ..studies.trial_records import TrialRecord
from ..tracking.mlflow_store import fetch_run_file
from .report import learning_curves_figure, shown_value
from .sources import NOT_IN_MLFLOW, histories
from .study_standing import validation_share

PREDICTIONS = "predictions.npz"
SEED = 0


@dataclass(frozen=True)
class Chosen:
    """One trial to compare."""

    study: StudyResult
    """Its study."""
    trial: TrialRecord
    """The trial."""

    @property
    def run_id(self) -> str | None:
        """Its MLflow run, if that is known."""
        return self.study.run_ids.get(self.trial.number)


@dataclass(frozen=True)
class TrialComparison:
    """Chosen trials of one data set, with all that their comparison shows."""

    chosen: Sequence[Chosen]
    """The trials in the order chosen."""
    parameters: Sequence[ParameterRow]
    """The trials' parameters, those that differ first."""
    pairs: Sequence[PairComparison]
    """Every pair of trials that can be tested, by their places in `chosen`."""
    missing: Sequence[str] = ()
    """One line for each trial that cannot be tested, with the reason."""
    histories: Mapping[str, Sequence[Mapping[str, float]]] = field(default_factory=dict)
    """Metrics per epoch, by the trial's label."""

    @property
    def definition(self) -> StudyDefinition:
        """The definition of the first trial's study, whose objective all share."""
        return self.chosen[0].study.definition

    @property
    def studies(self) -> list[str]:
        """Names of the studies, each once."""
        return list(dict.fromkeys(one.study.name for one in self.chosen))

    @property
    def labels(self) -> list[str]:
        """The trials' names: their numbers, with their studies where there are several."""
        several = len(self.studies) > 1
        return [f"{one.study.name}:{one.trial.number}" if several else str(one.trial.number) for one in self.chosen]


def choose_trials(chosen: Sequence[tuple[StudyResult, int]]) -> list[Chosen]:
    """Finds the trials of these numbers.

    Raises:
        StudyError: A study lacks the trial, or the studies are of other data or have other objectives.
    """
    first = chosen[0][0]
    found = []
    for study, number in chosen:
        by_number = {trial.number: trial for trial in study.trials}
        if number not in by_number:
            have = f"it has 0 to {max(by_number)}" if by_number else "it has none yet"
            raise StudyError(f"study '{study.name}' has no trial {number}; {have}")
        if study.definition.fingerprint != first.definition.fingerprint:
            raise StudyError(
                f"studies '{first.name}' and '{study.name}' are of other data or splits, so their trials answered "
                "other images; choose trials of studies with the same data flags"
            )
        if study.definition.objective != first.definition.objective:
            raise StudyError(
                f"study '{first.name}' has the objective {first.definition.objective}, but '{study.name}' has "
                f"{study.definition.objective}; choose trials of studies with the same objective"
            )
        found.append(Chosen(study, by_number[number]))
    return found


def compare_trials(home: Home, chosen: Sequence[Chosen]) -> TrialComparison:
    """Compares trials by their parameters, and by their predictions on validation or their values per round.

    Args:
        home: Where the studies and their results are.
        chosen: The trials, of the same data and objective.
    """
    pairs, missing = _tested(home, chosen)
    comparison = TrialComparison(chosen, parameter_rows([one.trial.params for one in chosen]), pairs, missing)
    curves: dict[str, Sequence[Mapping[str, float]]] = {}
    for label, one in zip(comparison.labels, chosen, strict=True):
        study = open_study(open_storage(home.storage), one.study.name)
        curves[label] = histories(study, [one.trial])[one.trial.number]
    return TrialComparison(chosen, comparison.parameters, pairs, missing, curves)


def _tested(home: Home, chosen: Sequence[Chosen]) -> tuple[list[PairComparison], list[str]]:
    """Returns every pair that can be tested, and a line for each trial that cannot.

    Folds are compared by all rounds. Repeats share their validation images, so that a difference in all of them may
    still be chance of the images: those are tested by rounds and by images, and the weaker test decides.
    """
    definition = chosen[0].study.definition
    rounds = {(one.study.definition.folds, one.study.definition.repeats) for one in chosen}
    if len(rounds) > 1 or definition.rounds == 1:
        return _by_images(home, chosen)
    whole = {place: one.trial.round_values for place, one in enumerate(chosen)}
    missing = [
        f"{_called(one)}: it has {len(whole[place])} of {definition.rounds} folds and repeats"
        for place, one in enumerate(chosen)
        if len(whole[place]) != definition.rounds
    ]
    whole = {place: values for place, values in whole.items() if len(values) == definition.rounds}
    pairs = compare_rounds(whole, validation_share(home, chosen[0].study))
    if definition.folds is not None:
        return pairs, missing
    by_images, without_answers = _by_images(home, chosen)
    tested = {(pair.first, pair.second): pair for pair in by_images}
    weaker = [
        max((pair, tested.get((pair.first, pair.second), pair)), key=lambda either: either.adjusted) for pair in pairs
    ]
    return weaker, list(dict.fromkeys([*missing, *without_answers]))


def _by_images(home: Home, chosen: Sequence[Chosen]) -> tuple[list[PairComparison], list[str]]:
    labels, probabilities, missing = _predictions(home, chosen)
    if labels is None or len(probabilities) < 2:
        return [], missing
    definition = chosen[0].study.definition
    return compare_pairs(definition.task, definition.objective, labels, probabilities, seed=SEED), missing


def write_comparison(comparison: TrialComparison, target: Path) -> Path:
    """Writes the comparison as one page that works without a network, and returns its path."""
    figure = learning_curves_figure(comparison.histories, comparison.definition.objective)
    page = render(
        "comparison.html", data=comparison, shown_value=shown_value, plot=plot_html(figure), script=plotly_script()
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_page(target, page)


def _called(one: Chosen) -> str:
    return f"trial {one.trial.number} of {one.study.name}"


def _predictions(home: Home, chosen: Sequence[Chosen]) -> tuple[Labels | None, dict[int, Probabilities], list[str]]:
    """Returns the validation labels, probabilities by place, and a line for each trial without any to compare."""
    labels: Labels | None = None
    probabilities: dict[int, Probabilities] = {}
    missing = []
    for place, one in enumerate(chosen):
        try:
            its_labels, its_probabilities = trial_answers(home, one.study, one.trial.number)
        except (ModelError, StudyError) as error:
            missing.append(f"{_called(one)}: {error}")
            continue
        if labels is not None and not np.array_equal(labels, its_labels):
            missing.append(f"{_called(one)}: its predictions are of other validation images")
            continue
        labels, probabilities[place] = its_labels, its_probabilities
    return labels, probabilities, missing


def trial_answers(home: Home, study: StudyResult, number: int) -> tuple[Labels, Probabilities]:
    """Returns a trial's validation labels and probabilities, from this folder or else from MLflow.

    Raises:
        ModelError: MLflow has none, or they are damaged or not finite.
        StudyError: The trial is in neither place.
    """
    kept = read_answers(home.answers_folder(study.name), number)
    labels, probabilities = kept or _fetch_predictions(home, study.run_ids.get(number))
    if not np.isfinite(probabilities).all():
        raise ModelError("its predictions are not finite")
    return labels, probabilities


def _fetch_predictions(home: Home, run_id: str | None) -> tuple[Labels, Probabilities]:
    if run_id is None:
        raise StudyError(f"it {NOT_IN_MLFLOW}")
    with scratch_folder("comparison") as folder:
        file = fetch_run_file(run_id, PREDICTIONS, home.tracking_uri, folder)
        try:
            with np.load(file) as saved:
                return saved["labels"], saved["probabilities"]
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise ModelError(f"{PREDICTIONS} of MLflow run {run_id} is damaged: {error}") from None
