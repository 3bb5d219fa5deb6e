from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient

from apertune.search.evaluation.direction import Direction
from apertune.search.messages import Outcome, TrialResult
from apertune.search.tracking.journal import Journal, trial_key
from apertune.search.tracking.mlflow_store import fetch_model
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.outbox import Outbox, unsent
from apertune.search.tracking.records import FilesLogged, ModelLogged, RunStarted, from_line
from apertune.search.trial_folder import TrialFolder

DEFINITION = SimpleNamespace(
    dataset="pets", space="convnet", objective="macro_f1", direction=Direction.MAXIMIZE,
    objectives=[("macro_f1", Direction.MAXIMIZE)],
)  # fmt: skip


def store() -> str:
    # MLflow keeps its connections by address, so that a relative one would be another test's.
    return f"sqlite:///{Path('mlflow.db').resolve()}"


def told(result: TrialResult, empty_store: Path) -> Any:
    """The run of a trial that ended so, in a real store to which all records were sent; its model's folder is there."""
    shutil.copy(empty_store, "mlflow.db")
    study: Any = SimpleNamespace(name="pets", identity="id", definition=DEFINITION)
    folder = TrialFolder(Path("trial").resolve())
    folder.model.mkdir(parents=True)
    (folder.model / "MLmodel").write_text("flavors: {}\n")
    with Outbox(Path("outbox.jsonl")) as outbox:
        outbox.put(RunStarted(trial_key("id", result.number), "pets", f"pets #{result.number}", 1))
        Journal(outbox, study, "search", {}).trial_ended(result, folder)
    tracker = MlflowTracker(store(), Path("artifacts"))
    for record, _ in unsent(Path("outbox.jsonl"), 0):
        tracker.apply(record)
    return MlflowClient(store()).get_run(tracker.run_ids()[trial_key("id", result.number)])


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        ("complete", "pets #3"),
        ("pruned", "pets #3 (pruned)"),
        ("infeasible", "pets #3 (infeasible)"),
        ("failed", "pets #3"),
    ],
)
def test_a_trial_that_ended_early_says_so_in_its_name(outcome: Outcome, name: str, empty_store: Path) -> None:
    """A pruned trial's run has that in its name, in a tag and in its description, with the reason."""
    reason = "" if outcome == "complete" else "the reason"
    run = told(TrialResult(3, outcome, reason, value=0.625, epochs=1), empty_store)
    assert run.info.run_name == name
    assert run.data.tags["state"] == outcome
    end = f": {reason}" if reason else "."
    assert run.data.tags["mlflow.note.content"] == (
        f"Trial 3 of the study pets on pets: **{outcome}** after 1 epoch with **macro_f1 0.6250**{end}"
    )


def test_an_interrupted_trial_keeps_its_name(empty_store: Path) -> None:
    """A trial that goes on later is neither renamed nor described as ended."""
    run = told(TrialResult(3, "interrupted", epochs=1), empty_store)
    assert run.info.run_name == "pets #3"
    assert "mlflow.note.content" not in run.data.tags


def test_a_model_tells_its_trial(empty_store: Path, tmp_path: Path) -> None:
    """A logged model is named by data set and trial, has them and the study as tags, and is its run's `model` still."""
    run = told(TrialResult(3, "complete", value=0.625, epochs=2, has_model=True), empty_store)
    (model,) = MlflowClient(store()).search_logged_models([run.info.experiment_id])
    assert model.name == "pets-trial-0003"
    assert {name: model.tags[name] for name in ("dataset", "study", "trial", "objective")} == {
        "dataset": "pets", "study": "pets", "trial": "3", "objective": "macro_f1",
    }  # fmt: skip
    assert model.tags["mlflow.note.content"].startswith(
        "Trial 3 of the study pets on pets: **complete** after 2 epochs"
    )
    for address in (
        f"runs:/{run.info.run_id}/model",
        f"runs:/{run.info.run_id}/{model.name}",
        f"models:/{model.model_id}",
    ):
        fetched = fetch_model(address, store(), tmp_path / model.model_id / address[:4])
        assert (fetched / "MLmodel").read_text() == "flavors: {}\n"


@pytest.mark.parametrize(
    ("number", "value", "seconds", "few"),
    [
        pytest.param(3, 0.5, 3.0, True, id="short and not the best"),
        pytest.param(2, 0.75, 3.0, False, id="the best"),
        pytest.param(3, 0.75, 3.0, False, id="as good as the best"),
        pytest.param(3, 0.5, 30.0, False, id="long"),
    ],
)
def test_a_trial_has_every_plot_where_they_cost_little_or_it_is_the_best(
    number: int, value: float, seconds: float, few: bool, tmp_path: Path
) -> None:
    """After the best trial is known, a shorter trial that is not as good has few plots, and any other has all."""
    study: Any = SimpleNamespace(name="pets", identity="id", definition=DEFINITION)
    folder = TrialFolder(tmp_path)
    folder.artifacts.mkdir()
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        journal = Journal(outbox, study, "search", {})
        journal.best_trial(TrialResult(2, "complete", value=0.75, epochs=1))
        journal.trial_ended(TrialResult(number, "complete", value=value, epochs=1, seconds=seconds), folder)
    records = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0)]
    assert [record.few_plots for record in records if isinstance(record, FilesLogged)] == [few]


def test_records_of_models_written_before_are_read() -> None:
    """A line of an earlier version, which has no tags, is a record without tags."""
    fields = {"key": "k", "folder": "f", "name": "model", "metrics": {}, "time_ms": 0, "remove": True}
    assert from_line(json.dumps({"kind": "ModelLogged", **fields})) == ModelLogged("k", "f", "model", remove=True)
