"""Fixtures of all tests: a cache, a working folder and a store of their own."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from apertune.search.settings import Home, make_home
from apertune.wording import speak_of_flags

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# Tests run beside each other, and beside whatever else the machine does.
os.environ["APERTUNE_IGNORE_OTHER_SEARCHES"] = "1"
pytest_plugins = ["shades_model"]
# Under `nohup`, the commands that tests start would inherit an ignored SIGHUP.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _in_the_words_of_the_command() -> None:
    """Messages are compared as they are written; those of the public face in Python switch to its words."""
    speak_of_flags()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new MLflow store, made once, since making one takes MLflow many seconds; tests copy it."""
    from apertune.search.tracking.local_store import make_local_store

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    make_local_store(f"sqlite:///{path}")
    return path


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in a folder of its own, with a cache and an MLflow store below it."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("APERTUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    # Tables would be as narrow as the terminal of whoever runs the tests.
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def home(empty_store: Path) -> Home:
    """The test's working folder, with an MLflow store."""
    home = make_home({})
    home.root.mkdir()
    shutil.copy(empty_store, home.root / "mlflow.db")
    return home
