"""The published reference at the gate, and the refit; on the studies of `conftest`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from apertune.search.messages import EpochEnded, TrialEvent
from apertune.search.promotion import PromotionSettings, opponents, source
from apertune.search.promotion.card import other_models, published_line
from apertune.search.promotion.source import find_study, trial_source
from apertune.search.promotion.training import refit_task
from apertune.search.results import StudyResult, read_study
from apertune.search.training.fitting import Fitting
from apertune.search.training.trial import run_trial

if TYPE_CHECKING:
    from .conftest import Studies

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_the_trained_reference_guards_the_gate(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that does not beat a reference trained on this data stays challenger.

    Its scores stand beside the model's, and the article's own number is said to be of other images.
    """
    monkeypatch.setattr(opponents, "is_reference", lambda study: study.name == "strong")
    promotion = studies.promote(PromotionSettings(study="weak", seeds=1))
    assert promotion.registered.alias == "challenger"
    assert "of convnet, the published reference" in promotion.examination.verdict.reason
    score = promotion.examination.score("macro_f1")
    assert score.reference is not None
    assert score.reference > score.high
    assert ("published reference", "reference") in other_models(promotion.examination.scores)
    rows = np.arange(3589)
    classes = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    faces = replace(studies.dataset, adapter="fer2013", classes=classes, validation=rows, test=rows)
    line = published_line(faces, promotion.examination)
    assert line is not None
    assert line.endswith("its network, trained on this data, was compared on the test images.")
    assert published_line(replace(faces, test=rows[:100]), promotion.examination) is None


def test_a_reference_is_not_promoted_unless_named(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --study the search is promoted, not the reference that was trained beside it."""

    def is_weak(study: StudyResult) -> bool:
        return study.name == "weak"

    monkeypatch.setattr(source, "is_reference", is_weak)
    assert find_study(studies.home, studies.dataset, None).name == "strong"
    assert find_study(studies.home, studies.dataset, "weak").name == "weak"


def test_a_refit_keeps_the_last_weights(studies: Studies, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refit trains on training and validation images and keeps the last epoch's weights, even if an earlier epoch
    looked better on these images."""
    study = read_study(studies.home, "strong")
    view = studies.dataset.training_view()
    origin = trial_source(studies.home, study, study.trials[0])
    task = refit_task(study, origin, view, 2, 1, tmp_path)
    assert len(task.view.train) == len(view.train) + len(view.validation)
    assert task.epochs == study.definition.epochs == 6
    monkeypatch.setattr(Fitting, "improved", lambda fitting, value: fitting.state.best_value is None)
    events: list[TrialEvent] = []
    result = run_trial(task, events.append, lambda: None)
    first, last = (event.metrics["val_macro_f1"] for event in events if isinstance(event, EpochEnded))
    assert (result.outcome, result.epochs, result.best_epoch) == ("complete", 2, 2)
    assert first != last
    assert result.value == pytest.approx(last)
