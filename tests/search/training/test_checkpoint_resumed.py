"""Trainings that are cut short, as by a killed worker, and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from apertune import spaces
from apertune.datasets import from_arrays
from apertune.search.executors import devices
from apertune.search.messages import EpochEnded, SpaceReference, StopRequest, TrialEvent, TrialStarted, TrialTask
from apertune.search.training.checkpoint import TrainingState, plain_attributes, restore_callbacks
from apertune.search.training.trial import run_trial
from apertune.spaces.base import Candidate

# Keras 3.15 reads TensorFlow's arrays in a way that NumPy 2 has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIZE = (32, 32, 3)
RATE, FACTOR = 1e-3, 0.1


class KilledError(Exception):
    """Ends a training as a killed worker does: after an epoch, with nothing told."""


@pytest.fixture(autouse=True)
def _every_epoch_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apertune.search.training.epoch_monitor.CHECKPOINT_SHARE_OF_TIME", float("inf"))


@pytest.fixture
def fine_tuned(tmp_path: Path) -> TrialTask:
    """A small pretrained backbone trained for five epochs, the last three of them fine-tuned."""
    path = tmp_path / "small.weights.h5"
    keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=SIZE).save_weights(path)
    images = np.random.default_rng(0).integers(0, 256, (60, *SIZE), np.uint8)
    view = from_arrays("small", images, np.arange(60, dtype=np.int32) % 3, tuple("abc")).training_view()
    space = SpaceReference("pretrained", options={"weights": str(path), "backbone": "mobilenet_v3_small"})
    walked = spaces.discover(spaces.load(space.name, view.spec(), options=space.options))
    fixed = {"frozen_share": 0.4, "tuned_depth": 0.3, "tuned_rate_factor": FACTOR, "augmentation": "none"}
    narrowed = spaces.narrow(walked, {name: str(value) for name, value in fixed.items()})
    return TrialTask(
        number=0, view=view, space=space, search_space=narrowed, values=narrowed.defaults(), seed=0, epochs=5,
        patience=None, objective="accuracy", folder=tmp_path / "trial", keep_model=False,
    )  # fmt: skip


def averaged(tmp_path: Path) -> TrialTask:
    """A small network trained for four epochs with averages of its weights."""
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
    view = from_arrays("averaged", images, np.arange(60, dtype=np.int32) % 3, tuple("abc")).training_view()
    space = spaces.discover(spaces.load("convnet", view.spec()))
    fixed = {"blocks": "1", "convolutions": "1", "filters": "16", "average_weights": "true", "augmentation": "none"}
    narrowed = spaces.narrow(space, fixed)
    return TrialTask(
        number=0, view=view, space=SpaceReference("convnet"), search_space=narrowed, values=narrowed.defaults(),
        seed=0, epochs=4, patience=None, objective="log_loss", folder=tmp_path / "trial", keep_model=False,
    )  # fmt: skip


def test_averaged_weights_outlive_a_kill(tmp_path: Path) -> None:
    """A trial that is scored by averages scores the same when it is killed between, and otherwise than without."""
    scores = []
    for name, killed_after in (("whole", 0), ("killed", 2)):
        task, told = averaged(tmp_path / name), []

        def emit(event: TrialEvent, told: list[float] = told, killed_after: int = killed_after) -> None:
            if isinstance(event, EpochEnded) and event.epoch > len(told):
                told.append(event.metrics["val_log_loss"])
                if len(told) == killed_after:
                    raise KilledError

        if killed_after:
            assert run_trial(task, emit, lambda: None).outcome == "failed"
        result = run_trial(task, emit, lambda: None)
        assert result.outcome == "complete"
        assert result.value == pytest.approx(min(told), abs=1e-6)
        scores.append(told)
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    plain: list[float] = []
    task = averaged(tmp_path / "plain")
    values = {name: value for name, value in task.values.items() if name != "averaged_epochs"}
    run_trial(
        replace(task, values={**values, "average_weights": False}, search_space=_unfixed(task)),
        lambda event: plain.append(event.metrics["val_log_loss"]) if isinstance(event, EpochEnded) else None,
        lambda: None,
    )
    assert plain != pytest.approx(scores[0], abs=1e-4)


def _unfixed(task: TrialTask) -> spaces.SearchSpace:
    return spaces.discover(spaces.load("convnet", task.view.spec()))


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_trial_killed_while_it_is_fine_tuned_goes_on(schedule: str, fine_tuned: TrialTask) -> None:
    """A trial killed in its fine-tuning phase resumes there: its rate is lowered once, the backbone keeps training."""
    task = replace(fine_tuned, values=spaces.narrow(fine_tuned.search_space, {"schedule": schedule}).defaults())
    rates, starts = [], []

    def emit(event: TrialEvent) -> None:
        if isinstance(event, TrialStarted):
            starts.append(event.first_epoch)
        if isinstance(event, EpochEnded) and event.epoch > len(rates):
            rates.append(event.metrics["learning_rate"])
            if event.epoch == 4 and len(starts) == 1:
                raise KilledError

    assert run_trial(task, emit, lambda: None).outcome == "failed"
    before = _network(task.folder / "checkpoint.npz")
    assert run_trial(task, emit, lambda: None).outcome == "complete"
    assert starts == [1, 5]
    assert len(rates) == 5
    if schedule == "constant":
        assert rates == pytest.approx([RATE, RATE, RATE * FACTOR, RATE * FACTOR, RATE * FACTOR])
    else:
        # The rate told at an epoch's end is that of the next step.
        assert rates[1] < 0.2 * rates[0]
        assert 0 <= rates[4] < rates[3] < rates[2] < rates[1]
    after = _network(task.folder / "checkpoint.npz")
    moved = [not np.array_equal(old, new) for old, new in zip(before, after, strict=True)]
    assert not any(moved[: len(moved) // 2])
    assert sum(moved) > 2


@pytest.mark.slow
def test_rates_by_stage_outlive_a_kill(fine_tuned: TrialTask, tmp_path: Path) -> None:
    """A trial whose rates fall from stage to stage ends with the same weights whether it was killed or not."""
    values = {**fine_tuned.search_space.defaults(), "stage_rate_factor": 0.4}
    starts: list[int] = []

    def emit(event: TrialEvent) -> None:
        if isinstance(event, TrialStarted):
            starts.append(event.first_epoch)
        if isinstance(event, EpochEnded) and event.epoch == 4 and len(starts) == 1:
            raise KilledError

    space = _unfixed_of(fine_tuned)
    killed = replace(fine_tuned, values=values, search_space=space)
    assert run_trial(killed, emit, lambda: None).outcome == "failed"
    assert run_trial(killed, emit, lambda: None).outcome == "complete"
    assert starts == [1, 5]
    whole = replace(killed, folder=tmp_path / "whole")
    assert run_trial(whole, lambda event: None, lambda: None).outcome == "complete"
    same_rates = replace(fine_tuned, folder=tmp_path / "same")
    assert run_trial(same_rates, lambda event: None, lambda: None).outcome == "complete"
    weights = [_network(task.folder / "checkpoint.npz") for task in (killed, whole, same_rates)]
    assert all(np.array_equal(one, other) for one, other in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(one, other) for one, other in zip(weights[0], weights[2], strict=True))


def _unfixed_of(task: TrialTask) -> spaces.SearchSpace:
    return spaces.discover(spaces.load(task.space.name, task.view.spec(), options=task.space.options))


@pytest.fixture
def drawing(tmp_path: Path) -> TrialTask:
    """Seven epochs of a small network with every source of randomness, under a plateau schedule."""
    random = np.random.default_rng(0)
    labels = np.arange(70, dtype=np.int32) % 3
    images = np.clip(80 * labels[:, None, None, None] + random.normal(40, 40, (70, 8, 8, 1)), 0, 255).astype(np.uint8)
    view = from_arrays("drawing", images, labels, tuple("abc")).training_view()
    space = SpaceReference("convnet")
    fixed = {
        "blocks": 1, "convolutions": 1, "filters": 16, "head_dropout": 0.5, "dense_units": 64,
        "optimizer": "sgd", "learning_rate": 0.4, "schedule": "plateau", "plateau_patience": 2,
        "augmentation": "basic", "erasing": 0.3, "noise": 0.1, "mixing": "mixup", "random_crops": True,
    }  # fmt: skip
    walked = spaces.discover(spaces.load(space.name, view.spec()))
    narrowed = spaces.narrow(walked, {name: str(value) for name, value in fixed.items()})
    return TrialTask(
        number=0, view=view, space=space, search_space=narrowed, values=narrowed.defaults(), seed=0, epochs=7,
        patience=None, objective="accuracy", folder=tmp_path / "whole", keep_model=False,
    )  # fmt: skip


@pytest.mark.parametrize("streamed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_killed_trial_ends_as_if_it_had_not_been(
    *, streamed: bool, drawing: TrialTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed trial ends with the numbers of an undisturbed one: order, dropout, augmentation and schedule resume."""
    if streamed:
        monkeypatch.setattr(devices, "fits_on_device", lambda size: False)
    whole = _epochs(drawing)
    assert whole[-1]["learning_rate"] < whole[0]["learning_rate"]
    for killed_at in (2, 5):
        cut = replace(drawing, folder=tmp_path / f"killed-at-{killed_at}")
        assert _epochs(cut, killed_at) == whole[:killed_at]
        assert _epochs(cut) == whole
        for ours, theirs in zip(*(_network(task.folder / "checkpoint.npz") for task in (cut, drawing)), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("heard_at", "outcome"), [(6, "pruned"), (7, "complete")])
def test_a_trial_with_all_its_epochs_is_complete(heard_at: int, outcome: str, drawing: TrialTask) -> None:
    """A trial asked to be pruned at its last epoch is complete."""
    told: list[TrialEvent] = []
    request = StopRequest(0, "pruned", "weak")
    result = run_trial(drawing, told.append, lambda: request if len(told) > heard_at else None)
    assert (result.outcome, result.epochs) == (outcome, heard_at)


def test_a_plateau_goes_on_where_it_was() -> None:
    """A loss that falls too little lowers the rate at the same epochs, interrupted or not."""
    whole, resumed = _Plateau(), _Plateau()
    for epoch in range(7):
        if epoch == 2:
            resumed = resumed.gone_on_with()
        assert resumed.rate_after(epoch) == whole.rate_after(epoch)
    assert whole.rate_after(7) < 0.1


class _Plateau:
    """A plateau schedule, and a validation loss that falls by half its minimum improvement in each epoch."""

    def __init__(self, rate: float = 0.1) -> None:
        network = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
        network.compile(optimizer=keras.optimizers.SGD(rate), loss="mse")
        self._callback = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=2)
        self._callback.set_model(network)
        self._callback.on_train_begin()
        self._candidate = Candidate(network, network.optimizer, lambda targets, answers: 0, 1, None, (self._callback,))

    def rate_after(self, epoch: int) -> float:
        self._callback.on_epoch_end(epoch, {"val_loss": 1.0 - epoch * 5e-5})
        return float(self._candidate.optimizer.learning_rate)

    def gone_on_with(self) -> _Plateau:
        again = _Plateau(float(self._candidate.optimizer.learning_rate))
        restore_callbacks(TrainingState(callbacks=plain_attributes(self._candidate)), again._candidate)
        return again


def _epochs(task: TrialTask, killed_at: int | None = None) -> list[dict[str, float]]:
    """Trains or resumes, and is killed after the epoch if one is given. Returns each epoch's metrics as told."""
    told: list[dict[str, float]] = []

    def emit(event: TrialEvent) -> None:
        if isinstance(event, EpochEnded):
            told.append(event.metrics)
            if event.epoch == killed_at:
                raise KilledError

    assert run_trial(task, emit, lambda: None).outcome == ("complete" if killed_at is None else "failed")
    return told


def _network(checkpoint: Path) -> list[np.ndarray]:
    """Returns the network's weights, from its first layer to the head."""
    with np.load(checkpoint) as saved:
        return [saved[name] for name in sorted(saved.files) if name.startswith("network_")]
