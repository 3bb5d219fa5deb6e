from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
from mlflow import MlflowClient

from apertune.datasets import from_arrays
from apertune.search.drawing import FILE, Evaluation, draw_evaluation, load_evaluation, save_evaluation
from apertune.search.messages import TrialResult
from apertune.search.mlflow_tracking import MlflowTracker, is_refused
from apertune.search.outbox import Outbox, unsent_bytes
from apertune.search.sender import Sender
from apertune.search.settings import make_home
from apertune.search.storage import open_storage
from apertune.search.studies import create_study
from apertune.search.study_definition import StudyDefinition
from apertune.search.tracking import RunStarted, StudyChanged
from apertune.spaces.parameters import Parameter, SearchSpace

SPACE = SearchSpace((Parameter("rate", "float", 0.2, low=0.0, high=0.5, sampling="linear"),))


def test_a_trial_is_drawn_from_what_its_worker_left(tmp_path):
    """An evaluation reads back with all facts of its view, and its mistakes name the images they are of."""
    random = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int32) % 3
    view = from_arrays("pretended", random.integers(0, 255, (60, 8, 8, 1), np.uint8), labels, tuple("abc"))
    view = view.training_view()
    probabilities = random.dirichlet(np.ones(3), len(view.validation)).astype(np.float32)
    save_evaluation(tmp_path, Evaluation(view, probabilities, [{"val_accuracy": 0.5}], "accuracy"))
    again = load_evaluation(tmp_path)
    assert (again.view.resize, again.view.licence) == (view.resize, view.licence)
    assert again.view.fingerprint == view.fingerprint
    draw_evaluation(tmp_path)
    with (tmp_path / "mistakes.csv").open(encoding="utf-8", newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert mistakes
    for mistake in mistakes:
        assert mistake["origin"] == f"image {view.validation[int(mistake['row'])]}"
    assert not (tmp_path / FILE).exists()


@pytest.fixture
def home(empty_store):
    """This folder, with an MLflow store and a study of three complete trials."""
    home = make_home({})
    home.root.mkdir()
    shutil.copy(empty_store, home.root / "mlflow.db")
    definition = StudyDefinition(
        dataset="pets", data="made up", task="binary", fingerprint="ab" * 32, space="convnet",
        search_space=SPACE.to_json(), objective="accuracy", direction="maximize", epochs=2,
    )  # fmt: skip
    study = create_study(open_storage(home.storage), "pets", definition)
    for value in (0.5, 0.75, 0.625):
        number = study.ask().number
        study.report(number, value, 1)
        study.tell(TrialResult(number, "complete", value=value, metrics={"accuracy": value}, epochs=1))
    return home


def send(home, *records):
    """Sends the records as a search's sender does; returns the files of the run with the key `search`."""
    outbox_path = home.study_folder("pets") / "outbox.jsonl"
    with Outbox(outbox_path) as outbox:
        outbox.put(RunStarted("search", "pets", "search pets", 1), *records)
    tracker = MlflowTracker(home.tracking_uri, home.artifacts)
    assert Sender(outbox_path, tracker, is_refused, home).send()
    assert unsent_bytes(outbox_path) == 0
    return [file.path for file in MlflowClient(home.tracking_uri).list_artifacts(tracker.run_ids()["search"])]


def test_the_sender_draws_a_study(home):
    """A study that changed gets its plots among the artifacts of the search's run; one that ended, its report too."""
    assert send(home, StudyChanged("search", "pets")) == ["study_plots.html"]
    assert send(home, StudyChanged("search", "pets", ended=True)) == ["report.html", "study_plots.html"]


def test_a_study_that_cannot_be_drawn_blocks_nothing(home):
    """A study that is gone is logged by the sender, and what comes after it is sent."""
    assert send(home, StudyChanged("search", "gone"), RunStarted("later", "pets", "pets #9", 1)) == []
