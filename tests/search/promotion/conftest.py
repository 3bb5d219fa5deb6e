"""Two real studies of digits with one trial each: a weak one and a strong one."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from programs import SAVED_BEFORE

from apertune import spaces
from apertune.datasets import from_arrays, load
from apertune.datasets.base import ImageDataset
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.saved import Evaluation, load_evaluation, save_evaluation
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import SpaceReference, TrialResult, TrialTask
from apertune.search.models.package import load_model
from apertune.search.promotion import Promotion, PromotionSettings, promote
from apertune.search.settings import Home, make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.study import Study
from apertune.search.tracking.journal import Journal
from apertune.search.tracking.mlflow_store import Registry
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.outbox import Outbox, Progress, unsent, write_progress
from apertune.search.tracking.records import DatasetLogged, StudyChanged
from apertune.search.training.trial import run_trial
from apertune.search.trial_folder import TrialFolder
from apertune.spaces.search_space.parameters import SearchSpace

FIXED = {
    "blocks": "1",
    "convolutions": "1",
    "filters": "16",
    "batch_size": "64",
    "augmentation": "none",
    "mixing": "none",
    "optimizer": "adam",
    "schedule": "constant",
    "loss": "cross_entropy",
    "head": "flatten",
}
PATIENCE = 5


@dataclass(frozen=True)
class Studies:
    """A folder with two studies of digits, `weak` and `strong`."""

    home: Home
    dataset: ImageDataset

    def promote(self, settings: PromotionSettings) -> Promotion:
        """Promotes a study's winner, training in this process."""
        return promote(self.dataset, settings, home=self.home, executor=InProcessExecutor(run_trial, SearchSpace(())))

    @property
    def registry(self) -> Registry:
        return Registry("apertune-digits", self.home.tracking_uri)


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Studies:
    """Made without worker processes and plots, which would take most of the time."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APERTUNE_CACHE", str(folder / "cache"))
        made = Studies(make_home({}, root=folder / "mlflow"), load("digits"))
    space = spaces.discover(spaces.load("convnet", made.dataset.training_view().spec()))
    search(made, "weak", spaces.narrow(space, {**FIXED, "learning_rate": "0.0001"}), epochs=1)
    search(made, "strong", spaces.narrow(space, {**FIXED, "learning_rate": "0.003"}), epochs=6)
    return made


def search(
    studies: Studies,
    name: str,
    space: SearchSpace,
    *,
    epochs: int,
    objective: str = "macro_f1",
    training: Callable[[TrialTask], TrialResult] = lambda task: run_trial(task, lambda event: None, lambda: None),
) -> None:
    """Leaves the results of a search of one trial: the study, and its runs in MLflow."""
    home, data = studies.home, studies.dataset
    definition = StudyDefinition(
        data.name,
        data.source,
        data.task,
        data.fingerprint,
        "convnet",
        space.to_json(),
        objective,
        Direction.MAXIMIZE,
        epochs,
    )
    study = create_study(open_storage(home.storage), name, definition)
    logged = DatasetLogged("", data.name, data.fingerprint, data.source, {})
    path = home.study_folder(name) / "outbox.jsonl"
    with Outbox(path) as outbox:
        journal = Journal(outbox, study, uuid.uuid4().hex, {})
        journal.search_started(logged, {"patience": str(PATIENCE), "keep_models": "all", "mixed_precision": "false"})
        task, result = train(studies, study, training)
        journal.trial_started(task, logged)
        journal.trial_ended(result, TrialFolder(task.folder))
        journal.search_ended("complete", "FINISHED")
    tracker = MlflowTracker(home.tracking_uri, home.artifacts)
    for record, _ in unsent(path, 0):
        assert record is not None
        if not isinstance(record, StudyChanged):
            tracker.apply(record)
    write_progress(path, Progress(path.stat().st_size, tracker.run_ids()))


def train(
    studies: Studies, study: Study, training: Callable[[TrialTask], TrialResult]
) -> tuple[TrialTask, TrialResult]:
    asked = study.ask()
    definition = study.definition
    task = TrialTask(
        number=asked.number,
        view=studies.dataset.training_view(),
        space=SpaceReference("convnet"),
        search_space=study.search_space,
        values=asked.values,
        seed=1,
        epochs=definition.epochs,
        patience=PATIENCE,
        objective=definition.objective,
        folder=studies.home.study_folder(study.name) / "trials" / f"{asked.number:05d}",
    )
    result = training(task)
    assert result.outcome == "complete", result.reason
    study.tell(result)
    artifacts = TrialFolder(task.folder).artifacts
    answers = load_evaluation(artifacts).probabilities
    np.savez(artifacts / "predictions.npz", labels=task.view.labels("validation"), probabilities=answers)
    return task, result


@pytest.fixture
def saved_before(home: Home) -> Studies:
    """A study `before` of grey shades, whose trial left the model that version 0.1.0 saved."""
    generator = np.random.default_rng(0)
    labels = np.arange(300, dtype=np.int32) % 3
    images = np.clip(labels * 120 + generator.integers(0, 20, 300), 0, 255).astype(np.uint8)
    pixels = np.broadcast_to(images[:, None, None, None], (300, 16, 16, 3)).copy()
    made = Studies(home, from_arrays("shades", pixels, labels, ("dark", "middle", "light")))
    space = spaces.discover(spaces.load("convnet", made.dataset.training_view().spec()))

    def leave_saved_model(task: TrialTask) -> TrialResult:
        folder = TrialFolder(task.folder)
        shutil.copytree(SAVED_BEFORE / "trial", folder.model)
        network, _ = load_model(folder.model)
        answers = network.predict(pixels[task.view.validation], verbose=0)
        save_evaluation(folder.artifacts, Evaluation(task.view, answers, [], task.objective))
        return TrialResult(task.number, "complete", value=1.0, epochs=1, best_epoch=1, has_model=True)

    search(made, "before", spaces.narrow(space, {**FIXED, "batch_size": "32"}), epochs=1, training=leave_saved_model)
    return made
