from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
from mlflow import MlflowClient

from apertune.datasets import from_arrays
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.saved import Evaluation, load_evaluation, save_evaluation
from apertune.search.messages import TrialResult
from apertune.search.sending.drawing import draw_evaluation, is_drawn
from apertune.search.sending.drawing_helper import DrawingHelper
from apertune.search.sending.sender import Sender
from apertune.search.settings import make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
from apertune.search.tracking.outbox import Outbox, read_progress, unsent_bytes
from apertune.search.tracking.records import FilesLogged, MemoryTracker, RunStarted, StudyChanged
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

SPACE = SearchSpace((Parameter("rate", "float", 0.2, low=0.0, high=0.5, sampling="linear"),))


@pytest.fixture(scope="module")
def evaluation():
    random = np.random.default_rng(0)
    labels = np.arange(60, dtype=np.int32) % 3
    dataset = from_arrays("pretended", random.integers(0, 255, (60, 8, 8, 1), np.uint8), labels, tuple("abc"))
    view = dataset.training_view()
    probabilities = random.dirichlet(np.ones(3), len(view.validation)).astype(np.float32)
    return Evaluation(view, probabilities, [{"val_accuracy": 0.5}], "accuracy")


def test_a_trial_is_drawn_from_what_its_worker_left(tmp_path, evaluation):
    """An evaluation reads back with all facts of its view, and its mistakes name the images they are of."""
    view = evaluation.view
    save_evaluation(tmp_path, evaluation)
    again = load_evaluation(tmp_path)
    assert (again.view.resize, again.view.licence) == (view.resize, view.licence)
    assert again.view.fingerprint == view.fingerprint
    draw_evaluation(tmp_path)
    with (tmp_path / "mistakes.csv").open(encoding="utf-8", newline="") as file:
        mistakes = list(csv.DictReader(file))
    assert mistakes
    for mistake in mistakes:
        assert mistake["origin"] == f"image {view.validation[int(mistake['row'])]}"
    assert is_drawn(tmp_path)


@pytest.fixture
def waiting(tmp_path, evaluation):
    """Folders of eight trials that are still to be drawn."""
    folders = [tmp_path / f"trial {number}" for number in range(8)]
    for folder in folders:
        save_evaluation(folder, evaluation)
    return folders


def test_a_helper_draws_beside_the_sender(waiting, tmp_path):
    """The sender hands over four of eight evaluations that wait; all are drawn before MLflow is told of them."""
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        outbox.put(RunStarted("k", "pets", "pets #1", 1), *(FilesLogged("k", str(folder)) for folder in waiting))
    drawn = []

    class DrawnBefore(MemoryTracker):
        def apply(self, record):
            if isinstance(record, FilesLogged):
                drawn.append(is_drawn(Path(record.folder)))
            super().apply(record)

    sender = Sender(tmp_path / "outbox.jsonl", DrawnBefore(), is_refused)
    sent = sender.send()
    sender.close()
    assert sent, read_progress(tmp_path / "outbox.jsonl").problem
    assert drawn == [True] * 8
    assert all((folder / "confusion_matrix.png").is_file() for folder in waiting)


def test_few_plots_are_those_that_trials_are_compared_by(waiting, tmp_path):
    """A record of few plots has learning curves, confusion matrix and examples drawn, by sender and helper alike."""
    records = [FilesLogged("k", str(folder), few_plots=True) for folder in waiting]
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        outbox.put(RunStarted("k", "pets", "pets #1", 1), *records)
    sender = Sender(tmp_path / "outbox.jsonl", MemoryTracker(), is_refused)
    assert sender.send()
    sender.close()
    for folder in waiting:
        pictures = {file.name for file in folder.glob("*.png")}
        assert pictures == {"learning_curves.png", "confusion_matrix.png", "predictions.png", "mistakes.png"}
        assert (folder / "scores.csv").is_file()


def test_a_sender_without_room_for_a_helper_draws_alone(waiting, tmp_path):
    """With as many evaluations waiting, a sender that is to be alone starts no process, and draws all itself."""
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        outbox.put(RunStarted("k", "pets", "pets #1", 1), *(FilesLogged("k", str(folder)) for folder in waiting))
    sender = Sender(tmp_path / "outbox.jsonl", MemoryTracker(), is_refused, helped=False)
    assert sender.send()
    assert not [child for child in psutil.Process().children() if "drawing_helper" in " ".join(child.cmdline())]
    sender.close()
    assert all(map(is_drawn, waiting))


def test_a_helper_that_dies_leaves_the_rest_to_the_sender(waiting):
    """A folder that was handed over but not drawn is known as such once the helper is gone; nothing waits for it."""
    helper = DrawingHelper()
    helper.hand_over(dict.fromkeys(waiting, False))
    assert helper.has_drawn(waiting[0])
    assert is_drawn(waiting[0])
    (process,) = [child for child in psutil.Process().children() if "drawing_helper" in " ".join(child.cmdline())]
    process.kill()
    told = [folder for folder in waiting[1:] if helper.has_drawn(folder)]
    assert len(told) < len(waiting) - 1
    assert all(map(is_drawn, told))
    helper.hand_over(dict.fromkeys(waiting, False))
    assert not helper.has_drawn(waiting[-1])
    helper.close()


@pytest.fixture
def home(empty_store):
    """This folder, with an MLflow store and a study of three complete trials."""
    home = make_home({})
    home.root.mkdir()
    shutil.copy(empty_store, home.root / "mlflow.db")
    definition = StudyDefinition(
        dataset="pets", data="made up", task="binary", fingerprint="ab" * 32, space="convnet",
        search_space=SPACE.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=2,
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
