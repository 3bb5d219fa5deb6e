"""Published HyperModels, each searched and loaded again with right answers, or refused in one line."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
from published_models import SEARCHED, Published, dataset

from apertune import spaces
from apertune.errors import ApertuneError
from apertune.search.export.graph import predict
from apertune.search.messages import (
    EpochEnded,
    SpaceReference,
    TrialResult,
    TrialTask,
)
from apertune.search.models import own_classes
from apertune.search.models.package import load_model
from apertune.search.training.trial import run_trial
from apertune.spaces.foreign.own_training import declare_in_fit

DRAWS = 30
SUPPORT = Path(__file__).parents[2] / "support"


def name_of(published: Published) -> str:
    return (
        published.name.partition(":")[2] if published.name.endswith(("build", "objective")) is False else published.name
    )


@pytest.fixture(autouse=True)
def _trusts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_classes, "_trusted", {})
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.delenv(own_classes.SPACE_VARIABLE, raising=False)


def train(published: Published, folder: Path, objective: str = "", **settings: Any) -> tuple[TrialResult, list[Any]]:
    """Trains a model's default configuration for two epochs; returns the result and the epochs' metrics."""
    view = dataset(published.data).training_view()
    space = spaces.load(published.name, view.spec())
    found = spaces.discover(space)
    told: list[Any] = []
    task = TrialTask(
        number=0, view=view, space=SpaceReference(published.name), search_space=found, values=found.defaults(), seed=1,
        epochs=2, patience=None, objective=objective or {"multilabel": "map"}.get(view.task, "accuracy"),
        folder=folder / "trial", **settings,
    )  # fmt: skip
    result = run_trial(task, told.append, lambda: None)
    return result, [event.metrics for event in told if isinstance(event, EpochEnded)]


@pytest.mark.parametrize("published", SEARCHED, ids=name_of)
def test_a_published_model_is_trained_saved_and_answers_as_it_did(published: Published, tmp_path: Path) -> None:
    """A trial completes; its model is loaded, with its module where it needs it, and gives the recorded answers."""
    result, epochs = train(published, tmp_path)
    assert (result.outcome, result.reason) == ("complete", "")
    assert len(epochs) >= 1
    folder = tmp_path / "trial" / "model"
    if published.needs_space:
        with pytest.raises(ApertuneError, match=r"--space published\.shapes:"):
            load_model(folder)
        own_classes.trust_space(published.name)
    network, contract = load_model(folder)
    view = dataset(published.data).training_view()
    answers = predict(network, view.images("validation"))
    assert answers.min() >= 0
    assert answers.max() <= 1
    if contract.task == "multiclass":
        assert answers.sum(axis=1) == pytest.approx(np.ones(len(answers)), abs=1e-3)
    with np.load(tmp_path / "trial" / "artifacts" / "predictions.npz") as saved:
        recorded = next(saved[name] for name in saved.files if "probabilities" in name)
    assert answers == pytest.approx(recorded, abs=2e-3)


def registered_by_keras_tuner(published: Published) -> set[str]:
    """Returns the names that KerasTuner itself registers over many random draws."""
    spec = dataset(published.data).training_view().spec()
    hypermodel: Any = spaces.load(published.name, spec).hypermodel
    draws = random.Random(0)
    known = keras_tuner.HyperParameters()
    for _ in range(DRAWS):
        drawn = known.copy()
        drawn.values = {}
        for parameter in known.space:
            if drawn.is_active(parameter):
                drawn.values[parameter.name] = parameter.random_sample(draws.randrange(2**31))
        hypermodel.declare_hyperparameters(drawn)
        try:
            model = hypermodel.build(drawn)
        except ValueError:
            known.merge(drawn)
            continue
        if published.own_fit:
            declare_in_fit(hypermodel, drawn, model, spec)
        known.merge(drawn)
    return {parameter.name for parameter in known.space}


@pytest.mark.parametrize("published", SEARCHED, ids=name_of)
def test_the_names_are_those_that_keras_tuner_registers(published: Published) -> None:
    """Discovery finds the names that KerasTuner meets over many random draws, and no other."""
    spec = dataset(published.data).training_view().spec()
    found = {parameter.name for parameter in spaces.discover(spaces.load(published.name, spec)).parameters}
    assert found == registered_by_keras_tuner(published)
