"""Published HyperModels, each searched and loaded again with right answers, or refused in one line."""

from __future__ import annotations

import os
import random
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from published_models import LARGE, REFUSED, SEARCHED, Published, dataset

from apertune import spaces
from apertune.errors import ApertuneError
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.saved import load_evaluation
from apertune.search.export.graph import predict
from apertune.search.messages import (
    Discovered,
    DiscoveryFailed,
    DiscoveryTask,
    EpochEnded,
    SpaceReference,
    StopRequest,
    TrialResult,
    TrialTask,
)
from apertune.search.models import own_classes, safety
from apertune.search.models.package import load_model
from apertune.search.training.trial import run_trial
from apertune.search.training.worker import discover
from apertune.spaces.foreign.own_training import declare_in_fit
from apertune.spaces.search_space.parameters import SearchSpace

DRAWS = 30
SUPPORT = Path(__file__).parents[2] / "support"


def name_of(published: Published) -> str:
    return (
        published.name.partition(":")[2] if published.name.endswith(("build", "objective")) is False else published.name
    )


@pytest.fixture(autouse=True)
def _trusts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_classes, "_trusted", {})
    monkeypatch.setattr(own_classes, "_named", set())
    # Set, so that what a test leaves in it is gone afterwards.
    monkeypatch.setenv(own_classes.SPACE_VARIABLE, "")
    paths = [str(SUPPORT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@cache
def discovered(name: str, data: str) -> SearchSpace:
    """Discovers a model's space, once for all tests."""
    return spaces.discover(spaces.load(name, dataset(data).training_view().spec()))


def train(published: Published, folder: Path, objective: str = "", **settings: Any) -> tuple[TrialResult, list[Any]]:
    """Trains a model's default configuration for two epochs; returns the result and the epochs' metrics."""
    view = dataset(published.data).training_view()
    found = discovered(published.name, published.data)
    told: list[Any] = []
    task = TrialTask(
        number=0, view=view, space=SpaceReference(published.name), search_space=found, values=found.defaults(), seed=1,
        epochs=2, patience=None, objective=objective or {"multilabel": "map"}.get(view.task, "accuracy"),
        folder=folder / "trial", **settings,
    )  # fmt: skip
    result = run_trial(task, told.append, lambda: None)
    return result, [event.metrics for event in told if isinstance(event, EpochEnded)]


SLOWLY_SEARCHED = ("loops_nested", "architectures_in_a_table", "behind_numbers", "OwnLoop", "several_architectures")


@pytest.mark.parametrize(
    "published",
    [pytest.param(one, marks=pytest.mark.ci) if one.name.endswith(SLOWLY_SEARCHED) else one for one in SEARCHED],
    ids=name_of,
)
def test_a_published_model_is_trained_saved_and_answers_as_it_did(
    published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial completes; its model is loaded, with its module where it needs it, and gives the recorded answers."""
    result, epochs = train(published, tmp_path)
    assert (result.outcome, result.reason) == ("complete", "")
    assert len(epochs) >= 1
    folder = tmp_path / "trial" / "model"
    if published.needs_space:
        # A class that is registered is known in this process, which has imported its module.
        monkeypatch.setattr(safety, "_is_registered", lambda name: False)
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
    recorded = load_evaluation(tmp_path / "trial" / "artifacts").probabilities
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
            known.merge(drawn, overwrite=False)
            continue
        if published.own_fit:
            declare_in_fit(hypermodel, drawn, model, spec)
        known.merge(drawn, overwrite=False)
    return {parameter.name for parameter in known.space}


@pytest.mark.ci
@pytest.mark.parametrize("published", SEARCHED, ids=name_of)
def test_the_names_are_those_that_keras_tuner_registers(published: Published) -> None:
    """Discovery finds the names that KerasTuner meets over many random draws, and no other."""
    found = {parameter.name for parameter in discovered(published.name, published.data).parameters}
    assert found == registered_by_keras_tuner(published)


def rehearsed(published: Published, folder: Path, **settings: Any) -> Discovered | DiscoveryFailed:
    """Returns the answer of a worker that discovers a model's space and rehearses it."""
    view = dataset(published.data).training_view()
    return discover(DiscoveryTask(view, SpaceReference(published.name), rehearsals=folder / "rehearsals", **settings))


SLOWLY_REFUSED = ("lambda_layer", "asks_in_call")


# Keras warns of some of these mistakes.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "published",
    [pytest.param(one, marks=pytest.mark.slow) if one.name.endswith(SLOWLY_REFUSED) else one for one in REFUSED],
    ids=name_of,
)
def test_a_model_that_cannot_be_used_is_refused_in_one_line(published: Published, tmp_path: Path) -> None:
    """Before the first trial, one line names the model and says what is wrong, and what to change."""
    answer = rehearsed(published, tmp_path)
    assert isinstance(answer, DiscoveryFailed), answer
    assert answer.user_error
    assert re.search(published.refused, answer.reason), answer.reason
    assert "\n" not in answer.reason
    assert len(answer.reason) < 600


@pytest.mark.ci
def test_a_rehearsal_says_what_it_found_and_is_made_once(tmp_path: Path) -> None:
    """The lines of a rehearsal tell of pixels, answers and classes of one's own, and are kept for the next search."""
    published = Published("published.shapes:subclassed")
    first = rehearsed(published, tmp_path)
    assert isinstance(first, Discovered)
    assert len(list((tmp_path / "rehearsals").iterdir())) == 1
    pixels, answers, classes = first.notes
    assert "gets pixels from 0 to 1, since it does not scale them" in pixels
    assert answers.endswith("answers with logits, which are made into probabilities")
    assert "predict, label, export and serving need --space published.shapes:subclassed" in classes
    started = time.monotonic()
    assert rehearsed(published, tmp_path) == first
    assert time.monotonic() - started < 60


def test_a_metric_that_the_model_does_not_compute_is_no_objective(tmp_path: Path) -> None:
    """An objective of one's own is looked for among the metrics that the model computes, which the line lists."""
    answer = rehearsed(Published("published.shapes:own_metrics"), tmp_path, own_objectives=("sureness",))
    assert isinstance(answer, DiscoveryFailed)
    assert "computes no metric 'sureness'; it computes: " in answer.reason
    assert "certainty" in answer.reason


@pytest.mark.parametrize(
    ("name", "objective", "metric"),
    [
        ("own_metrics", "certainty", "val_certainty"),
        ("OwnLoop", "my_metric", "val_my_metric"),
        ("ReturnsMetrics", "parameters_per_loss", ""),
        ("OwnLoop", "returned", ""),
    ],
)
def test_a_metric_of_the_users_own_is_the_objective(name: str, objective: str, metric: str, tmp_path: Path) -> None:
    """A trial's value is the metric that the model or its `fit` computes: after the best epoch, or as it returns it."""
    published = Published(f"published.shapes:{name}")
    result, epochs = train(published, tmp_path, objective, direction=Direction.MINIMIZE, keep_model=False)
    assert result.outcome == "complete"
    assert result.value == result.metrics[objective]
    if metric:
        assert result.value == min(epoch[metric] for epoch in epochs)


@pytest.mark.parametrize(
    ("name", "ends_search"), [("too_large_value", False), ("too_large_failed", False), ("too_large_fatal", True)]
)
def test_errors_of_the_users_code_fail_a_trial_or_end_the_search(name: str, ends_search: bool, tmp_path: Path) -> None:
    """KerasTuner's FatalError ends the search; any other error fails its trial."""
    view = dataset("multiclass").training_view()
    found = discovered(f"published.shapes:{name}", "multiclass")
    task = TrialTask(
        number=3, view=view, space=SpaceReference(f"published.shapes:{name}"), search_space=found, values={"units": 32},
        seed=1, epochs=1, patience=None, objective="accuracy", folder=tmp_path,
    )  # fmt: skip
    result = run_trial(task, lambda event: None, lambda: None)
    assert (result.outcome, result.ends_search) == ("failed", ends_search)
    assert "Model too large" in result.reason


def test_a_policy_that_the_module_sets_holds_for_every_trial(tmp_path: Path) -> None:
    """The dtype policy that a module sets when it is imported holds for the second trial as for the first."""
    view = dataset("multiclass").training_view()
    for _ in range(2):
        keras.config.set_dtype_policy("float32")
        space = spaces.load("published.own_policy:build", view.spec())
        candidate = space.candidate(keras_tuner.HyperParameters(), epochs=1, seed=0)
        assert candidate.own_training is not None
        assert candidate.own_training.model.layers[1].compute_dtype == "float16"
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_loop_of_the_users_own_ends_when_it_is_asked_to(stop_after: int, tmp_path: Path) -> None:
    """A loop that knows nothing of stopping is left after the epoch in which a stop was asked for."""
    view = dataset("multiclass").training_view()
    found = discovered("published.shapes:OwnLoop", "multiclass")
    told: list[EpochEnded] = []
    task = TrialTask(
        number=0, view=view, space=SpaceReference("published.shapes:OwnLoop"), search_space=found,
        values=found.defaults(), seed=1, epochs=1 if stop_after == 1 else 9, patience=None, objective="accuracy",
        folder=tmp_path / "trial", keep_model=False,
    )  # fmt: skip
    request = StopRequest(0, "pruned", "enough", now=False)
    result = run_trial(
        task,
        lambda event: told.append(event) if isinstance(event, EpochEnded) else None,
        lambda: request if len(told) >= stop_after else None,
    )
    assert result.epochs == min(stop_after, 2)
    assert len(told) == result.epochs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("published", [*SEARCHED, *LARGE], ids=name_of)
def test_every_published_model_is_loaded_in_a_fresh_process_and_exported(published: Published, tmp_path: Path) -> None:
    """The rehearsal of each model finds no format that it cannot be exported to."""
    answer = rehearsed(published, tmp_path)
    if isinstance(answer, DiscoveryFailed) and "cannot fetch its weights" in answer.reason:
        pytest.skip(answer.reason)
    assert isinstance(answer, Discovered), answer
    assert not [line for line in answer.notes if "cannot be exported" in line]
    assert any("--space published" in line for line in answer.notes) == published.needs_space
