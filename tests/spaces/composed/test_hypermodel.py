from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest

from apertune import spaces
from apertune.spaces.base import OBJECTIVE_LOG
from apertune.spaces.registry import SPACES

TASKS = ("binary", "multiclass", "multilabel")


class Search(keras_tuner.RandomSearch):  # type: ignore[misc]  # KerasTuner ships no types
    """KerasTuner's RandomSearch without TensorBoard, which TensorFlow 2.21 no longer installs."""

    def _configure_tensorboard_dir(self, *_: Any) -> None:
        return None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 with TensorFlow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")  # it names threads as Python 2 did
def test_keras_tuner_itself_searches_our_spaces(tmp_path: Path, spec_of: Any) -> None:
    """KerasTuner's RandomSearch tunes `convnet` on uint8 images and integer labels, and loads the best model again."""
    spec = spec_of()
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (24, 8, 8, 1), dtype=np.uint8)
    labels = random.integers(0, len(spec.classes), 24)
    tuner = Search(
        spaces.load("convnet", spec).hypermodel,
        objective="val_accuracy",
        max_trials=2,
        seed=1,
        directory=str(tmp_path),
    )
    tuner.search(images, labels, validation_data=(images, labels), epochs=1, verbose=0)
    names = {parameter.name for parameter in tuner.oracle.get_space().space}
    assert {"learning_rate@optimizer=adam", "learning_rate@optimizer=sgd"} <= names
    (best,) = tuner.get_best_models(1)
    assert best.predict(images, verbose=0).shape == (24, spec.outputs)
    assert 0 <= tuner.oracle.get_best_trials(1)[0].score <= 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras 3.15 with TensorFlow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner")  # it names threads as Python 2 did
@pytest.mark.parametrize(("name", "task"), list(zip(SPACES, itertools.cycle(TASKS), strict=False)))
def test_keras_tuner_runs_every_space(name: str, task: str, tmp_path: Path, spec_of: Any, batch_of: Any) -> None:
    """KerasTuner's own tuner runs each space that ships, published ones included, on one of the tasks."""
    spec = spec_of(task, (32, 32, 3))
    options = {"weights": "none"} if "weights" in SPACES[name].options else {}
    if name == "pretrained":
        options["backbone"] = "mobilenet_v3_small"
    images, targets = batch_of(spec, 8)
    space = spaces.load(name, spec, options=options)
    tuner = Search(space.hypermodel, objective="val_accuracy", max_trials=1, seed=1, directory=str(tmp_path))
    tuner.search(images, targets, validation_data=(images, targets), epochs=1, verbose=0)
    (trial,) = tuner.oracle.get_best_trials(1)
    assert 0 <= trial.score <= 1


def test_fit_follows_the_recipe(spec_of: Any) -> None:
    """KerasTuner trains with the recipe's batch size and schedule, and the model holds no augmentation."""
    spec = spec_of()
    space = spaces.load("convnet", spec)
    hp = keras_tuner.HyperParameters()
    hp.values = {"blocks": 1, "convolutions": 1}
    model = space.hypermodel.build(hp)
    steps: list[int] = []
    counting = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(batch))
    images = np.zeros((18, 8, 8, 1), np.uint8)
    space.hypermodel.fit(hp, model, images, np.zeros(18, int), epochs=2, verbose=0, callbacks=[counting])
    assert len(steps) == 2 * -(-18 // hp.get("batch_size"))
    assert float(np.asarray(model.optimizer.learning_rate)) == pytest.approx(0.0, abs=1e-6)
    assert not any("augment" in layer.name for layer in model.layers)


def test_a_schedule_that_watches_the_objective_works_under_keras_tuner(spec_of: Any, batch_of: Any) -> None:
    """KerasTuner tells no objective, so that a plateau of this reference watches the validation accuracy."""
    spec = spec_of("multiclass", (32, 32, 3))
    space = spaces.load("fer2013-vgg", spec)
    hp = keras_tuner.HyperParameters()
    model = space.hypermodel.build(hp)
    images, targets = batch_of(spec, 2)
    # Keras would warn of a value that is not there.
    seen = space.hypermodel.fit(hp, model, images, targets, validation_data=(images, targets), epochs=2, verbose=0)
    assert seen.history[OBJECTIVE_LOG] == [-accuracy for accuracy in seen.history["val_accuracy"]]
    assert len(seen.history[OBJECTIVE_LOG]) == 2
