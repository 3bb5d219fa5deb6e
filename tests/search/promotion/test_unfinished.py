"""A promotion that is killed at any step of writing leaves the registry as before, or complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from apertune.datasets import load
from apertune.errors import ApertuneError
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.metrics import METRICS
from apertune.search.promotion import PromotionSettings, rollback
from apertune.search.promotion.examination import Examination
from apertune.search.promotion.gate import Verdict
from apertune.search.promotion.job import Job
from apertune.search.promotion.registration import register
from apertune.search.promotion.scores import Score
from apertune.search.promotion.selection import Selection
from apertune.search.promotion.source import TrainedNetwork, TrialSource
from apertune.search.promotion.training import Confirmation
from apertune.search.promotion.unfinished import Pending, settle
from apertune.search.results import StudyResult
from apertune.search.settings import PlaceSettings, SearchSettings, make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.trial_records import TrialRecord
from apertune.search.tracking.mlflow_store import Registry
from apertune.search.tracking.mlflow_tracker import MlflowTracker


class Killed(BaseException):
    """Passes every `except Exception`, as the end of a process does."""


class Writer:
    """Registers a model that needs no training."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.home = make_home({}, root=folder / "mlflow")
        self.home.root.mkdir()
        shutil.copy(store, self.home.root / "mlflow.db")
        self.folder = folder
        self.registry = Registry("apertune-digits", self.home.tracking_uri)
        self.client = MlflowClient(self.home.tracking_uri, registry_uri=self.home.tracking_uri)
        data = load("digits")
        definition = StudyDefinition(
            "digits", "", data.task, data.fingerprint, "convnet", "{}", "accuracy", Direction.MAXIMIZE, 1
        )
        trial = TrialRecord(0, "complete", 0.9, {})
        study = StudyResult("digits-convnet", definition, (trial,), {}, None, 1, 0.0, "")
        metric = METRICS["accuracy"]
        self.job = Job(
            dataset=data,
            view=data.training_view(),
            study=study,
            metric=metric,
            settings=PromotionSettings(),
            places=PlaceSettings(),
            home=self.home,
            say=lambda line: None,
            show=lambda state: None,
            scratch=folder,
        )
        source = TrialSource(trial, "run", "search", SearchSettings(), keeps_model=True)
        network = TrainedNetwork(0, None, 0.9, 1, folder, np.zeros((1, 10), np.float32))
        winner = Confirmation(source, (), (network,))
        self.selection = Selection(winner, (winner,), ((network, 1.0),), network.probabilities, ())

    def register(self, name: str, *, promoted: bool = True) -> str:
        """Returns the version."""
        model, artifacts = self.folder / name / "model", self.folder / name / "artifacts"
        for folder in (model, artifacts):
            folder.mkdir(parents=True, exist_ok=True)
        (model / "model.json").write_text(name)
        score = Score("accuracy", 0.9, 0.9, 0.8, 1.0)
        champion = self.registry.aliases().get("champion")
        verdict = Verdict(promoted, "as the test wants")
        examination = Examination((score,), (), verdict, 0.0, 1, 0.05, 100, champion, 0.01)
        return register(self.job, self.selection, examination, model=model, artifacts=artifacts, card=name).version

    def state(self) -> tuple[dict[str, str], list[str]]:
        return self.registry.aliases(), sorted(self.registry.versions())

    def runs(self) -> list[str]:
        experiment = self.client.get_experiment_by_name("digits")
        found = self.client.search_runs([experiment.experiment_id], "tags.kind = 'promotion'")
        return [f"{run.info.status} {run.data.tags['state']}" for run in reversed(found)]


@pytest.fixture
def writer(tmp_path: Path, empty_store: Path) -> Writer:
    return Writer(tmp_path, empty_store)


def killed(*arguments: Any, **named: Any) -> None:
    raise Killed


def killed_after(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        raise Killed

    return run


def test_a_kill_leaves_the_registry_as_before_or_complete(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at each step up to the alias, a promotion is undone by the next; from the alias on it is completed.

    No run is left running, and a rollback then finds the champion before.
    """
    assert writer.register("first") == "1"
    undone = [
        (MlflowTracker, "_start_run", killed),
        (MlflowTracker, "_log_files", killed),
        (MlflowTracker, "_log_model", killed_after(MlflowTracker._log_model)),
        (Registry, "add_version", killed_after(Registry.add_version)),
        (Registry, "set_alias", killed),
    ]
    before, lines = writer.state(), list[str]()
    for owner, name, fault in undone:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fault)
            with pytest.raises(Killed):
                writer.register(name)
        settle(writer.home, lines.append)
        assert writer.state() == before, name
    assert set(lines) == {"A promotion of apertune-digits was killed before its end; what it had written was removed."}
    assert writer.runs() == ["FINISHED complete", *["KILLED killed"] * 4]
    for owner, name, fault in (
        (Registry, "set_alias", killed_after(Registry.set_alias)),
        (Pending, "cross_out", killed),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fault)
            with pytest.raises(Killed):
                writer.register(name)
        settle(writer.home, lines.append)
        version = max(writer.registry.versions())
        assert writer.registry.aliases() == {"champion": version}
        assert lines[-1] == f"A promotion was killed when version {version} of apertune-digits was champion already."
    assert {line.split()[0] for line in writer.runs()} == {"FINISHED", "KILLED"}
    moved = rollback(writer.home, "digits")
    assert moved.before != moved.after
    assert writer.registry.aliases() == {"champion": moved.after}
    assert list((writer.home.root / "promotions").iterdir()) == []


def test_an_error_is_cleaned_up_at_once(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """If MLflow refuses the version, the line says so, and neither run nor note stays open."""

    def refuse(*arguments: Any) -> str:
        raise ApertuneError("MLflow: no room")

    monkeypatch.setattr(Registry, "add_version", refuse)
    with pytest.raises(ApertuneError, match="MLflow: no room"):
        writer.register("refused", promoted=False)
    assert writer.state() == ({}, [])
    assert writer.runs() == ["KILLED killed"]
    assert list((writer.home.root / "promotions").iterdir()) == []


def test_notes_of_another_store_wait(writer: Writer) -> None:
    """A promotion begun on one MLflow store is not settled on another, and a damaged note is dropped."""
    Pending("ab" * 16, "apertune-digits", "champion", "https://elsewhere").note(writer.home)
    (writer.home.root / "promotions" / "damaged.json").write_text("{")
    settle(writer.home, lambda line: pytest.fail(line))
    assert [path.stem for path in (writer.home.root / "promotions").iterdir()] == ["ab" * 16]
