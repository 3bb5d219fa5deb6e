"""Real commands, really killed: promote, rollback and export leave registry and folder as before, or complete."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from programs import KILLED_AT

from apertune.search.promotion import PromotionSettings, rollback
from apertune.search.promotion.unfinished import settle
from apertune.search.results import read_studies

if TYPE_CHECKING:
    from .conftest import Studies

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
PROMOTE = ("promote", "digits", "--study", "weak", "--seeds", "1", "--force")

State = tuple[dict[str, str], list[str]]


def killed(studies: Studies, when: str, place: str, *words: str) -> None:
    """Runs the command in the studies' folder until it is killed at the step."""
    command = [sys.executable, str(KILLED_AT), when, place, *words]
    environment = {**os.environ, "APERTUNE_CACHE": str(studies.home.root.parent / "cache")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        command, cwd=studies.home.root.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -9, done.stderr


def state(studies: Studies) -> State:
    return studies.registry.aliases(), sorted(studies.registry.versions(), key=int)


def running(studies: Studies) -> int:
    """Returns the promotions that MLflow shows as running."""
    client = MlflowClient(studies.home.tracking_uri)
    experiment = client.get_experiment_by_name("digits")
    return len(client.search_runs([experiment.experiment_id], "tags.kind = 'promotion' and status = 'RUNNING'"))


@pytest.fixture(scope="module")
def champion(studies: Studies) -> str:
    """The version that is champion before the kills."""
    return studies.promote(PromotionSettings(study="weak", seeds=1, force=True)).registered.version


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ("before", "apertune.search.promotion.promoting:assemble"),
        ("after", "apertune.search.promotion.examination:open_test_split"),
        ("after", "apertune.search.tracking.mlflow_tracker:MlflowTracker._start_run"),
        ("after", "apertune.search.tracking.mlflow_tracker:MlflowTracker._log_files"),
        ("after", "apertune.search.tracking.mlflow_tracker:MlflowTracker._log_model"),
        ("after", "apertune.search.tracking.mlflow_store:Registry.add_version"),
    ],
)
def test_a_promotion_killed_before_the_alias_moves_is_undone(
    studies: Studies, champion: str, when: str, place: str
) -> None:
    """The champion stays all along, and what was written is gone with the next promotion or rollback."""
    before = state(studies)
    killed(studies, when, place, *PROMOTE)
    assert studies.registry.aliases() == before[0]
    settle(studies.home, lambda line: None)
    assert state(studies) == before
    assert running(studies) == 0
    assert {study.name for study in read_studies(studies.home)} == {"weak", "strong"}


def test_a_promotion_killed_after_the_alias_moved_is_completed(studies: Studies, champion: str) -> None:
    """The new champion stands, its run is closed as finished, and a rollback finds the one before."""
    before = studies.registry.aliases()["champion"]
    killed(studies, "after", "apertune.search.tracking.mlflow_store:Registry.set_alias", *PROMOTE)
    assert studies.registry.aliases()["champion"] != before
    assert running(studies) == 1
    moved = rollback(studies.home, "digits")
    assert moved.after == before
    assert running(studies) == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rollback_is_done_or_not(studies: Studies, champion: str, when: str) -> None:
    """A killed rollback has either moved the alias or left it."""
    newer = studies.promote(PromotionSettings(study="weak", seeds=1, force=True)).registered.version
    before = state(studies)
    killed(studies, when, "apertune.search.tracking.mlflow_store:Registry.set_alias", "rollback", "digits")
    after = state(studies)
    assert after[1] == before[1]
    assert (after[0]["champion"] == newer) is (when == "before")


@pytest.mark.parametrize(
    ("when", "place", "there"),
    [
        ("after", "apertune.search.export.exporting:in_float32", False),
        ("after", "apertune.search.export.parity:Comparison.row", False),
        ("before", "apertune.search.export.exporting:write_manifest", False),
        ("after", "apertune.search.export:export_model", True),
    ],
)
def test_an_export_is_there_complete_or_not_at_all(
    studies: Studies, champion: str, when: str, place: str, there: bool
) -> None:
    """A killed export leaves no folder of its name, and the next one of that name removes what lay beside it."""
    folder = studies.home.root.parent / f"exported {place.rpartition(':')[2]}"
    words = ("export", "digits@champion", "--to", folder.name, "--formats", "onnx")
    killed(studies, when, place, *words)
    assert folder.exists() is there
    if there:
        assert (folder / "manifest.json").is_file()
        return
    assert list(folder.parent.glob(f".{folder.name}.*"))
    command = [sys.executable, "-m", "apertune", *words]
    environment = {**os.environ, "APERTUNE_CACHE": str(folder.parent / "cache")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(command, cwd=folder.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "parity.json").is_file()
    assert not list(folder.parent.glob(f".{folder.name}.*"))
