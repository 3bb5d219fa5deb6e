"""Callbacks, metrics and an augmentation of the user's own in a real training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tiny_space

from apertune import spaces
from apertune.datasets import from_arrays
from apertune.datasets.base import TrainingView
from apertune.errors import SettingError
from apertune.search.messages import EpochEnded, SpaceReference, TrialEvent, TrialResult, TrialTask
from apertune.search.training.additions import Additions, check_callbacks, check_metrics
from apertune.search.training.trial import run_trial
from apertune.spaces.foreign.sent import pack
from apertune.spaces.search_space.discovery import discover
from apertune.spaces.search_space.narrowing import narrow

LABELS = np.arange(60, dtype=np.int32) % 3


@pytest.fixture
def view() -> TrainingView:
    """Sixty images whose brightness is their class."""
    noise = np.random.default_rng(0).integers(0, 20, (60, 8, 8, 1))
    images = (LABELS.reshape(60, 1, 1, 1) * 100 + noise).astype(np.uint8)
    return from_arrays("shades", images, LABELS, ("a", "b", "c")).training_view()


class Counting(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Writes down how often this very copy was told of an epoch, and the learning of it."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file
        self.epochs = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.epochs += 1
        with Path(self.file).open("a") as file:
            file.write(f"{self.epochs} {'val_sureness' in (logs or {})}\n")


def sureness(labels: Any, probabilities: Any) -> float:
    return float(probabilities.max(axis=1).mean())


def broken(labels: Any, probabilities: Any) -> float:
    raise RuntimeError("no such column")


class Blackened(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Makes every training image black, so that nothing can be learned from brightness."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * 0


def trained(
    view: TrainingView, folder: Path, added: Additions, space: str = "tiny_space:build", **fix: str
) -> tuple[TrialResult, list[EpochEnded]]:
    """Trains two epochs with what is added; returns the result and the epochs."""
    sent = pack(added, "additions", "additions")
    events: list[TrialEvent] = []
    found = tiny_space.SPACE if space.startswith("tiny") else narrow(discover(spaces.load(space, view.spec())), fix, {})
    values = {"rate": 1e-2, "factor": "1"} if space.startswith("tiny") else found.defaults()
    task = TrialTask(
        number=0,
        view=view,
        space=SpaceReference(space, additions=sent.name, pickled_additions=sent.pickled),
        search_space=found,
        values=values,
        seed=0,
        epochs=2,
        patience=None,
        objective="log_loss",
        folder=folder,
        keep_model=False,
    )
    result = run_trial(task, events.append, lambda: None)
    return result, [event for event in events if isinstance(event, EpochEnded)]


def test_each_trial_gets_fresh_callbacks_and_records_the_metrics(view: TrainingView, tmp_path: Path) -> None:
    """A callback hears of every epoch with the user's metrics in it, and the next trial has another copy of it."""
    heard = tmp_path / "heard.txt"
    added = Additions((Counting(str(heard)),), (sureness, "kappa", keras.metrics.CategoricalAccuracy(name="by_keras")))
    for number in range(2):
        result, epochs = trained(view, tmp_path / str(number), added)
        assert result.outcome == "complete", result.reason
        assert {"sureness", "kappa", "by_keras"} <= result.metrics.keys()
        assert result.metrics["by_keras"] == pytest.approx(result.metrics["accuracy"])
        assert 1 / 3 <= epochs[-1].metrics["val_sureness"] <= 1
    assert heard.read_text().splitlines() == ["1 True", "2 True"] * 2


def test_a_layer_of_the_users_changes_training_images(view: TrainingView, tmp_path: Path) -> None:
    """A layer that takes away all brightness changes what a training arrives at."""
    small = {"filters": "16", "blocks": "1", "augmentation": "none", "mixing": "none"}
    plain, _ = trained(view, tmp_path / "plain", Additions(), "convnet", **small)
    black, _ = trained(view, tmp_path / "black", Additions(augmentation=Blackened()), "convnet", **small)
    assert (plain.outcome, black.outcome) == ("complete", "complete"), black.reason
    assert black.metrics["log_loss"] != plain.metrics["log_loss"]


def test_faults_are_said(view: TrainingView, tmp_path: Path) -> None:
    """A trial says which metric or callback failed; an augmentation has no place in a model's own training."""
    result, _ = trained(view, tmp_path / "a", Additions(metrics=(broken,)))
    assert result.outcome == "failed"
    assert "the metric broken fails: RuntimeError: no such column" in result.reason
    result, _ = trained(view, tmp_path / "b", Additions(callbacks=(dict,)))
    assert "callbacks must be Keras callbacks or make one, but got dict" in result.reason
    result, _ = trained(view, tmp_path / "c", Additions(augmentation=Blackened()))
    assert "augmentation needs a space that ships or --recipe standard" in result.reason


def test_they_are_tried_before_the_search() -> None:
    """Metrics are computed once, and what is no callback is refused, before any worker starts."""
    probabilities = np.full((60, 3), 1 / 3, np.float32)
    check_metrics((sureness, "kappa"), "multiclass", LABELS, probabilities)
    with pytest.raises(SettingError, match="the metric broken fails: RuntimeError: no such column"):
        check_metrics((broken,), "multiclass", LABELS, probabilities)
    with pytest.raises(SettingError, match="metrics must have different names, but got kappa, kappa"):
        check_metrics(("kappa", "kappa"), "multiclass", LABELS, probabilities)
    with pytest.raises(SettingError, match="metrics must be functions of labels and probabilities"):
        check_metrics((3,), "multiclass", LABELS, probabilities)
    with pytest.raises(SettingError, match="callbacks must be Keras callbacks, or functions that make one, but got 3"):
        check_callbacks((3,))
