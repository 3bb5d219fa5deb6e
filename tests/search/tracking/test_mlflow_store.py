"""Models are found in MLflow by the addresses that users give."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput

from apertune.errors import ModelError
from apertune.search.settings import Home
from apertune.search.tracking.mlflow_store import fetch_model, has_model, run_of_model
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.records import ModelDropped, ModelLogged, RunStarted


def logged(home: Home, folder: Path, name: str) -> tuple[str, str, MlflowTracker]:
    """Logs a run with one model, and returns the identifiers of both, and the tracker."""
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights").write_text(folder.name)
    tracker = MlflowTracker(home.tracking_uri, home.artifacts)
    tracker.apply(RunStarted(folder.name, "pets", folder.name, time_ms=1))
    tracker.apply(ModelLogged(folder.name, str(folder), name))
    run_id = tracker.run_ids()[folder.name]
    (output,) = MlflowClient(home.tracking_uri).get_run(run_id).outputs.model_outputs
    return run_id, output.model_id, tracker


@pytest.mark.parametrize("name", ["pets-trial-0000", "model"])
def test_the_model_of_a_run_is_found_by_every_address(home: Home, tmp_path: Path, name: str) -> None:
    """`runs:/RUN/model` is the run's model, whatever its name, as version 0.1.0 called all; others are not touched."""
    logged(home, tmp_path / "another", name)
    run_id, model_id, _ = logged(home, tmp_path / "asked", name)
    for number, uri in enumerate((f"runs:/{run_id}/model", f"runs:/{run_id}/{name}", f"models:/{model_id}")):
        fetched = fetch_model(uri, home.tracking_uri, tmp_path / str(number))
        assert (fetched / "weights").read_text() == "asked"
        assert run_of_model(uri, home.tracking_uri) == run_id


def test_a_folder_called_model_among_a_runs_files_is_found(home: Home, tmp_path: Path) -> None:
    """A run without a logged model may have one among its files, as runs of other programs do."""
    client = MlflowClient(home.tracking_uri)
    run_id, _, _ = logged(home, tmp_path / "one", "pets-trial-0000")
    other = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
    (tmp_path / "by hand").mkdir()
    (tmp_path / "by hand" / "weights").write_text("by hand")
    client.log_artifacts(other, str(tmp_path / "by hand"), "model")
    fetched = fetch_model(f"runs:/{other}/model", home.tracking_uri, tmp_path / "fetched")
    assert (fetched / "weights").read_text() == "by hand"


def test_of_several_models_the_one_called_model_is_meant(home: Home, tmp_path: Path) -> None:
    """A run of another program may have logged several, of which the address names one."""
    client = MlflowClient(home.tracking_uri)
    run_id, _, _ = logged(home, tmp_path / "first", "model")
    _, second, _ = logged(home, tmp_path / "second", "other")
    client.log_outputs(run_id, [LoggedModelOutput(second, step=1)])
    fetched = fetch_model(f"runs:/{run_id}/model", home.tracking_uri, tmp_path / "fetched")
    assert (fetched / "weights").read_text() == "first"


def test_a_model_that_was_deleted_is_missed_in_one_line(home: Home, tmp_path: Path) -> None:
    """Its run stays, and the message has the address that was given."""
    run_id, model_id, tracker = logged(home, tmp_path / "asked", "pets-trial-0000")
    assert has_model(run_id, home.tracking_uri)
    tracker.apply(ModelDropped("asked"))
    assert not has_model(run_id, home.tracking_uri)
    for uri in (f"runs:/{run_id}/model", f"models:/{model_id}", "runs:/nobody/model"):
        with pytest.raises(ModelError, match=f"MLflow has no model '{uri}'"):
            fetch_model(uri, home.tracking_uri, tmp_path / "fetched")
