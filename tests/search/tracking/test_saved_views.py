from __future__ import annotations

import base64
import json
import shutil
import zlib
from pathlib import Path

from mlflow import MlflowClient

from apertune.search.evaluation.direction import Direction
from apertune.search.studies.definition import StudyDefinition
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.records import from_line, to_line
from apertune.search.tracking.saved_views import TAG_PREFIX, every_study_view, trials_view
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace


def float_of(optimizer: str) -> Parameter:
    chosen = (Condition("optimizer", (optimizer,)),)
    return Parameter("rate", "float", 1e-3, low=1e-4, high=1e-1, sampling="log", conditions=chosen)


SPACE = SearchSpace((
    Parameter("depth", "int", 2, low=1, high=4, sampling="linear"),
    Parameter("optimizer", "choice", "sgd", values=("sgd", "adam", "lion")),
    *map(float_of, ("sgd", "adam", "lion")),
    Parameter("momentum", "float", 0.9, low=0.5, high=0.99, sampling="linear",
              conditions=(Condition("optimizer", ("sgd",)),)),
    Parameter("images", "fixed", 3, values=(3,)),
))  # fmt: skip
DEFINITION = StudyDefinition(
    dataset="pets", data="", task="binary", fingerprint="ab" * 32, space="convnet", search_space=SPACE.to_json(),
    objective="log_loss", direction=Direction.MINIMIZE, epochs=2, more_objectives=(("flops", Direction.MINIMIZE),),
)  # fmt: skip


def state_of(value: str) -> dict[str, object]:
    document = json.loads(value)
    packed = document["state"].removeprefix("deflate;")
    return {**json.loads(zlib.decompress(base64.b64decode(packed))), "name": document["name"]}


def test_a_study_is_shown_best_first_with_what_its_trials_share(empty_store: Path) -> None:
    """The view that MLflow keeps has the study's trials, its objectives first, and parameters that most trials have;
    saving it twice is saving it once."""
    shutil.copy(empty_store, "mlflow.db")
    tracker = MlflowTracker("sqlite:///mlflow.db")
    view = trials_view("pets-2", "identity", DEFINITION)
    assert from_line(to_line(view)) == view
    for record in (view, every_study_view("pets"), view):
        tracker.apply(record)
    tags = MlflowClient("sqlite:///mlflow.db").get_experiment_by_name("pets").tags
    views = {key.removeprefix(TAG_PREFIX): state_of(tags[key]) for key in tags if key.startswith(TAG_PREFIX)}
    assert set(views) == {"apertune-identity", "apertune"}
    state = views["apertune-identity"]
    assert state["name"] == "pets-2: trials, best first"
    assert state["searchFilter"] == "tags.study = 'pets-2' and tags.kind = 'trial'"
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`objective`", True)
    assert state["selectedColumns"] == state["columnOrder"] == [
        "metrics.`objective`", "metrics.`flops`", "tags.`state`", "metrics.`trial_seconds`", "params.`depth`",
        "params.`optimizer`", "params.`rate`",
    ]  # fmt: skip
