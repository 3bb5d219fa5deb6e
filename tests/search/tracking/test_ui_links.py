from __future__ import annotations

import pytest
from tracking_server import free_port

from apertune.search.evaluation.direction import Direction
from apertune.search.settings import make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking import ui_links
from apertune.search.tracking.ui_links import study_page

DEFINITION = StudyDefinition(
    dataset="pets", data="", task="binary", fingerprint="ab" * 32, space="convnet", search_space="[]",
    objective="accuracy", direction=Direction.MAXIMIZE, epochs=2,
)  # fmt: skip


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> str:
    """The identity of a study in the working directory."""
    home = make_home({})
    home.root.mkdir()
    return create_study(open_storage(home.storage), "pets", DEFINITION).identity


def test_a_server_is_asked_for_the_experiment(identity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a tracking server the table's address begins with the server's, without the secrets in it."""
    home = make_home({"MLFLOW_TRACKING_URI": "https://me:s3cret@mlflow.example.org/team/"})
    monkeypatch.setattr(ui_links, "_experiment", lambda name, address: "7" if name == "pets" else None)
    begin = "https://mlflow.example.org/team/#/experiments/7/runs?workflowType=machine_learning&viewStateShareKey="
    assert study_page(home, "pets") == f"{begin}apertune-{identity}"


@pytest.mark.parametrize("address", ["http://127.0.0.1:{}", "databricks"])
def test_a_server_without_an_answer_or_pages_has_no_address(
    identity: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is away, and a store that has no such pages, give no address and no error."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert study_page(make_home({"MLFLOW_TRACKING_URI": address.format(free_port())}), "pets") is None
