"""One search on digits in two worker processes, seen through the MLflow client and the command's own words."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from programs import REPOSITORY

TRIALS, EPOCHS = 4, 2
# A network so small that the test's time is TensorFlow's start and little else.
SMALL = ("--fix", "blocks=1", "--fix", "convolutions=1", "--fix", "filters=16", "--fix", "batch_size=128")


@dataclass(frozen=True)
class Searched:
    """A folder in which a search has been run, and what it printed."""

    folder: Path
    document: dict[str, Any]
    errors: str

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return apertune(self.folder, *words)


def apertune(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Set by whichever test before used MLflow's own functions in this process.
    elsewhere = {"MLFLOW_TRACKING_URI"}
    environment = {name: value for name, value in os.environ.items() if name not in elsewhere}
    environment["APERTUNE_CACHE"] = str(folder / "cache")
    command = [sys.executable, "-m", "apertune", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Searched:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    counts = ("--trials", str(TRIALS), "--epochs", str(EPOCHS), "--workers", "2", "--pruner", "none")
    done = apertune(folder, "search", "digits", "--json", *counts, *SMALL)
    assert done.returncode == 0, done.stderr
    return Searched(folder, json.loads(done.stdout), done.stderr)


@pytest.fixture
def client(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import mlflow

    uri = f"sqlite:///{searched.folder / 'mlflow' / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    yield mlflow.MlflowClient(uri)
    mlflow.set_tracking_uri(None)


def runs(client: Any, kind: str) -> list[Any]:
    experiment = client.get_experiment_by_name("digits")
    found = client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'", order_by=["start_time"])
    return list(found)


def test_json_has_the_promised_shape(searched: Searched) -> None:
    """Standard output is one JSON document of the agreed shape, and the progress is on standard error."""
    document = searched.document
    assert document["dataset"] == "digits"
    assert (document["objective"], document["direction"]) == ("macro_f1", "maximize")
    assert len(document["trials"]) == TRIALS
    for trial in document["trials"]:
        names = {"number", "state", "value", "metrics", "params", "epochs", "seconds", "run_id"}
        assert names <= trial.keys()
        assert trial["state"] == "complete"
        assert trial["epochs"] == EPOCHS
    values = [trial["value"] for trial in document["trials"]]
    assert values == sorted(values, reverse=True)
    assert f"[{TRIALS}/{TRIALS}]" in searched.errors


def test_every_trial_is_a_run_below_its_search(searched: Searched, client: Any) -> None:
    """MLflow holds one search run and one finished child run a trial, with the parameters that were drawn."""
    (search,) = runs(client, "search")
    trials = {run.info.run_id: run for run in runs(client, "trial")}
    assert search.info.status == "FINISHED"
    assert trials.keys() == {trial["run_id"] for trial in searched.document["trials"]}
    for trial in searched.document["trials"]:
        run = trials[trial["run_id"]]
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == search.info.run_id
        assert run.data.tags["state"] == "complete"
        assert run.data.params == {name: str(value) for name, value in trial["params"].items()}
        assert run.data.metrics["objective"] == pytest.approx(trial["value"])


def test_a_run_has_its_epochs_and_what_repeats_it(searched: Searched, client: Any) -> None:
    """Each run has a value an epoch, its summary, its data as input, the versions and the exact command."""
    run = runs(client, "trial")[0]
    for name in ("loss", "val_loss", "accuracy", "val_accuracy", "val_macro_f1"):
        history = client.get_metric_history(run.info.run_id, name)
        assert [point.step for point in history] == list(range(1, EPOCHS + 1)), name
    for name in ("best_macro_f1", "best_epoch", "parameters", "trial_seconds", "peak_memory_mb"):
        assert run.data.metrics[name] > 0, name
    assert len(client.get_metric_history(run.info.run_id, "best_macro_f1")) == 1
    (output,) = run.outputs.model_outputs
    of_the_model = {metric.key: metric.value for metric in client.get_logged_model(output.model_id).metrics}
    assert of_the_model["best_macro_f1"] == run.data.metrics["best_macro_f1"]
    (data,) = run.inputs.dataset_inputs
    assert data.dataset.name == "digits"
    assert run.data.tags["fingerprint"].startswith(data.dataset.digest)
    assert "search digits --json" in run.data.tags["command"]
    assert "tensorflow 2" in run.data.tags["packages"]
    assert run.data.tags["seed"].isdigit()


def test_a_run_has_its_plots(searched: Searched, client: Any) -> None:
    """Learning curves, confusion matrix and the per-class table are artifacts of each run."""
    for run in runs(client, "trial"):
        names = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert {"learning_curves.png", "confusion_matrix.png", "classes.csv"} <= names


def test_every_model_loads_as_keras_and_pyfunc(searched: Searched, client: Any) -> None:
    """Each trial's model is named by data set and trial, loads both ways, and gives the same probabilities of pixels.

    MLflow takes its name and its identifier.
    """
    import mlflow

    pixels = np.random.default_rng(0).integers(0, 255, (5, 8, 8, 1), np.uint8)
    for run in runs(client, "trial"):
        (output,) = run.outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        assert model.name == f"digits-trial-{int(run.data.tags['trial']):04d}"
        uri = f"models:/{model.model_id}"
        expected = mlflow.keras.load_model(f"runs:/{run.info.run_id}/{model.name}").predict(pixels, verbose=0)
        assert expected.shape == (5, 10)
        np.testing.assert_allclose(expected.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(mlflow.pyfunc.load_model(uri).predict(pixels), expected, rtol=1e-5)


def test_compare_status_and_studies_agree(searched: Searched) -> None:
    """The reading commands tell the same trials as the search did."""
    compared = json.loads(searched.run("compare", "digits", "--json").stdout)
    pairs = [(trial["number"], trial["run_id"]) for trial in compared["trials"]]
    assert pairs == [(trial["number"], trial["run_id"]) for trial in searched.document["trials"]]
    status = json.loads(searched.run("status", searched.document["study"], "--json").stdout)
    assert (status["finished"], status["target"], status["owner"]) == (TRIALS, TRIALS, None)
    (study,) = json.loads(searched.run("studies", "--json").stdout)["studies"]
    assert study["best"]["number"] == searched.document["trials"][0]["number"]
    table = searched.run("compare", "digits").stdout
    assert searched.document["trials"][0]["run_id"] in table


def test_a_second_search_continues_the_study(searched: Searched) -> None:
    """The same study takes more trials, keeps the old ones, and refuses settings it was not made for."""
    words = ("search", "digits", "--json", "--epochs", str(EPOCHS), "--workers", "1", "--pruner", "none", *SMALL)
    name = searched.document["study"]
    refused = searched.run(*words, "--trials", "1", "--study", name, "--objective", "accuracy")
    assert refused.returncode == 2
    assert "objective: macro_f1 there, accuracy here" in refused.stderr
    more = searched.run(*words, "--trials", "1")
    assert more.returncode == 0, more.stderr
    document = json.loads(more.stdout)
    assert document["study"] == name
    assert len(document["trials"]) == TRIALS + 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("search", "digts"), r"Error: unknown data set 'digts'; did you mean 'digits'\?"),
        (("search", "digits", "--trials", "0"), r"Error: --trials must be at least 1, but got 0"),
        (("search", "digits", "--objective", "map"), r"Error: unknown .*'map'"),
        (("search", "digits", "--fix", "units"), r"Error: --fix must be NAME=VALUE, but got 'units'"),
        (("search", "digits", "--config", "no.toml"), r"Error: --config names a file that is not there: no\.toml"),
        (("search", "digits", "--gpus", "first"), r"Error: --gpus must be all, none or numbers"),
        (("compare", "simpsons"), r"Error: no studies in \S+/mlflow; change to the folder"),
        (("status", "none"), r"Error: no studies in \S+/mlflow; change to the folder"),
        (("ui", "--host", "0.0.0.0"), r"Error: --host must be 127\.0\.0\.1 or localhost"),
    ],
)
def test_a_mistake_gets_one_clear_line(tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    """Wrong words end with status 2 and one line that says what would be right, without a traceback."""
    done = apertune(tmp_path, *words)
    assert done.returncode == 2
    said = [text for text in done.stderr.splitlines() if not text.startswith("decoding")]
    assert len(said) == 1, done.stderr
    assert re.match(line, said[0]), done.stderr


@pytest.mark.ci
def test_the_readme_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> None:
    """The lines of Python in the README run as they stand, but for a smaller search and one seed to confirm it."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    small = example
    for words, fewer in (
        ("trials=20", "trials=1, epochs=3, workers=1"),
        ("study.promote()", "study.promote(seeds=1, workers=1)"),
        ('champion.predict("photographs/")', 'print(champion.predict("photographs/"))'),
    ):
        assert words in small
        small = small.replace(words, fewer)
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    Path("photographs").mkdir()
    Image.new("L", (8, 8), 255).save("photographs/white.png")
    done = subprocess.run([sys.executable, "-c", small], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "white.png" in done.stdout


def test_a_trial_can_be_trained_again_to_the_last_digit(searched: Searched) -> None:
    """`apertune rerun` trains a run's trial again from what MLflow recorded, and the numbers are the same."""
    best = searched.document["trials"][0]
    done = searched.run("rerun", best["run_id"], "digits", "--json", "--tolerance", "0")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["recorded"]["objective"] == answer["again"]["objective"] == best["value"]
    assert len(answer["again"]) > 5
    assert answer["packages"] == []


def test_a_rerun_on_other_data_is_refused(searched: Searched) -> None:
    """The data must be what the trial was trained on, and the line says which command it was."""
    done = searched.run("rerun", searched.document["trials"][0]["run_id"], "digits", "--limit", "300")
    assert done.returncode == 2
    assert "was trained on other data" in done.stderr
    assert "search digits" in done.stderr


@pytest.mark.slow
def test_folds_and_several_objectives_end_to_end(searched: Searched) -> None:
    """A search by cross-validation for accuracy and size ends with a trial of two trainings, on the Pareto front."""
    words = ("--folds", "2", "--objective", "accuracy", "--objective", "parameters", "--max-parameters", "100000")
    done = searched.run(
        "search",
        "digits",
        "--json",
        "--trials",
        "1",
        "--epochs",
        "1",
        "--workers",
        "1",
        "--study",
        "folds",
        *words,
        *SMALL,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    (trial,) = document["trials"]
    assert [objective["name"] for objective in document["objectives"]] == ["accuracy", "parameters"]
    assert (trial["state"], trial["epochs"], trial["pareto"]) == ("complete", 2, True)
    assert trial["metrics"]["objective_spread"] >= 0
    assert 0 < trial["values"]["parameters"] == trial["cost"]["parameters"] <= 100000
