"""The standing of the trials of one study or several: read from what searches kept, judged once, and noted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...datasets.base import Labels
from ...errors import UserError
from ...files.private import private_files
from ...files.replacing import replacing
from ..evaluation.baselines import label_frequencies
from ..evaluation.decisions import Probabilities
from ..evaluation.metrics import Metric, resolve_objective
from ..evaluation.saved import answers_written, read_answers
from ..evaluation.significance import Interval
from ..evaluation.standing import Standing, stand, stand_by_rounds
from ..results import StudyResult
from ..settings import Home
from ..studies.trial_records import TrialRecord
from ..tracking.outbox import unsent
from ..tracking.records import DatasetLogged

FILE = "standing.json"
# Raised when the judgement itself changes, so that what an earlier version noted is not shown.
EDITION = 5
# That of the shares that splits are drawn in, for studies whose searches ran in another folder.
USUAL_SHARE = 0.15 / 0.7


def study_standing(home: Home, study: StudyResult) -> Standing | None:
    """Judges the complete trials of a study, by number.

    Returns:
        The standing; None while this folder has neither answers of its trials nor values of their rounds.
    """
    return common_standing(home, [(study, trial) for trial in study.complete()], numbered=True)


def common_standing(
    home: Home, trials: Sequence[tuple[StudyResult, TrialRecord]], *, numbered: bool = False
) -> Standing | None:
    """Judges complete trials of one study or of several that share data, objective and rounds.

    Args:
        home: Where the studies are.
        trials: The trials, each with its study.
        numbered: Call them by number; otherwise by their places among `trials`.

    Returns:
        The standing; None where there is nothing to judge by, or the studies differ in folds or repeats.
    """
    if not trials:
        return None
    definition = trials[0][0].definition
    rounds = {(study.definition.folds, study.definition.repeats) for study, _ in trials}
    if len(rounds) > 1:
        return None
    try:
        metric = resolve_objective(definition.objective, definition.task)
    except UserError:
        # The user's function or file of costs is not here any more.
        return None
    keyed = {trial.number if numbered else place: (study, trial) for place, (study, trial) in enumerate(trials)}
    noted = home.study_folder(trials[0][0].name) / FILE
    identity = _identity(home, keyed)
    if (found := _noted(noted, identity)) is not None:
        return found
    made = _by_rounds(home, keyed, metric) if definition.rounds > 1 else _by_answers(home, keyed, metric)
    if made is not None:
        _note(noted, identity, made)
    return made


def validation_share(home: Home, study: StudyResult) -> float:
    """Returns the validation images per training image in one training of a study."""
    if study.definition.folds is not None:
        return 1 / (study.definition.folds - 1)
    for record, _ in unsent(home.study_folder(study.name) / "outbox.jsonl", 0):
        if isinstance(record, DatasetLogged) and int(record.facts.get("train", 0)):
            return int(record.facts["validation"]) / int(record.facts["train"])
    return USUAL_SHARE


def _by_answers(home: Home, keyed: Mapping[int, tuple[StudyResult, TrialRecord]], metric: Metric) -> Standing | None:
    labels, probabilities = _answers(home, keyed)
    if labels is None:
        return None
    task = next(iter(keyed.values()))[0].definition.task
    parameters = {key: trial.parameters for key, (_, trial) in keyed.items()}
    return stand(task, metric, labels, probabilities, parameters)


def _by_rounds(home: Home, keyed: Mapping[int, tuple[StudyResult, TrialRecord]], metric: Metric) -> Standing | None:
    study = next(iter(keyed.values()))[0]
    whole = {
        key: trial.round_values
        for key, (_, trial) in keyed.items()
        if len(trial.round_values) == study.definition.rounds
    }
    if not whole:
        return None
    labels, probabilities = _answers(home, keyed)
    baseline = None
    if labels is not None:
        outputs = next(iter(probabilities.values())).shape[1]
        score = metric.score(labels, label_frequencies(study.definition.task, labels, outputs))
        baseline = score if np.isfinite(score) else None
    parameters = {key: trial.parameters for key, (_, trial) in keyed.items()}
    return stand_by_rounds(metric.direction, whole, parameters, validation_share(home, study), baseline=baseline)


def _answers(
    home: Home, keyed: Mapping[int, tuple[StudyResult, TrialRecord]]
) -> tuple[Labels | None, dict[int, Probabilities]]:
    """Returns the labels and each trial's answers, of the trials whose answers to the same images are kept."""
    labels: Labels | None = None
    probabilities: dict[int, Probabilities] = {}
    for key, (study, trial) in keyed.items():
        kept = read_answers(home.answers_folder(study.name), trial.number)
        if kept is None or not np.isfinite(kept[1]).all():
            continue
        if labels is None or np.array_equal(labels, kept[0]):
            labels, probabilities[key] = kept
    return labels, probabilities


def _identity(home: Home, keyed: Mapping[int, tuple[StudyResult, TrialRecord]]) -> str:
    """Returns a text that is equal where a standing would come out the same."""
    facts = []
    for key, (study, trial) in keyed.items():
        about, written = study.definition, answers_written(home.answers_folder(study.name), trial.number)
        facts.append([key, study.name, about.fingerprint, about.objective, trial.number, trial.value, written])
        facts.append([trial.parameters, *trial.round_values])
    return hashlib.sha256(json.dumps([EDITION, facts]).encode()).hexdigest()


def _noted(file: Path, identity: str) -> Standing | None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document.pop("identity") != identity:
            return None
        intervals, ahead = (
            {int(key): Interval(**interval) for key, interval in document.pop(name).items()}
            for name in ("intervals", "ahead")
        )
        weak = {int(key): fault for key, fault in document.pop("weak").items()}
        return Standing(**{**document, "tied": tuple(document["tied"])}, intervals=intervals, weak=weak, ahead=ahead)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


@private_files()
def _note(file: Path, identity: str, standing: Standing) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as target:
            target.write(json.dumps({"identity": identity, **asdict(standing)}).encode())
    except OSError:
        # A full disk costs the next reader some seconds.
        return
