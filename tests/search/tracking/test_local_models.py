"""Registered models are found in a local store as MLflow finds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from apertune.search.settings import Home, make_home
from apertune.search.tracking.local_models import registered_folder
from apertune.search.tracking.mlflow_store import Registry, fetch_model
from apertune.search.tracking.mlflow_tracker import MlflowTracker
from apertune.search.tracking.model_addresses import model_folder
from apertune.search.tracking.records import ModelLogged, RunStarted

NAME = "apertune-shapes of mine"


@pytest.fixture
def registered(home: Home, tmp_path: Path) -> Home:
    """Two versions of one model, the first of which is champion."""
    tracker = MlflowTracker(home.tracking_uri, home.artifacts)
    registry = Registry(NAME, home.tracking_uri)
    for number in (1, 2):
        folder = tmp_path / f"model {number}"
        folder.mkdir()
        (folder / "MLmodel").write_text("flavors: {}")
        (folder / "weights").write_text(f"version {number}")
        tracker.apply(RunStarted(f"run {number}", "shapes of mine", "promotion", time_ms=number))
        tracker.apply(ModelLogged(f"run {number}", str(folder), "model"))
        registry.add_version(tracker.run_ids()[f"run {number}"], {}, "")
    registry.set_alias("champion", "1")
    return home


@pytest.mark.parametrize(("address", "version"), [("@champion", 1), ("/1", 1), ("/2", 2)])
def test_it_finds_what_mlflow_finds(registered: Home, tmp_path: Path, address: str, version: int) -> None:
    """By alias and by version, before and after the alias moves, the folder holds what MLflow would copy."""
    uri = registered.tracking_uri
    found = registered_folder(f"models:/{NAME}{address}", uri)
    assert found is not None
    assert (found / "weights").read_text() == f"version {version}"
    copied = fetch_model(f"models:/{NAME}{address}", uri, tmp_path / "copy")
    assert (copied / "weights").read_text() == f"version {version}"
    Registry(NAME, uri).set_alias("champion", "2")
    moved = registered_folder(f"models:/{NAME}@champion", uri)
    assert moved is not None
    assert (moved / "weights").read_text() == "version 2"
    with model_folder(f"models:/{NAME}@champion", uri) as folder:
        assert folder == moved


def test_another_home_keeps_its_own_store(registered: Home, tmp_path: Path) -> None:
    """A model that was fetched from one store leaves no address behind that another home of the process would take."""
    before = dict(os.environ)
    fetch_model(f"models:/{NAME}/1", registered.tracking_uri, tmp_path / "copy")
    assert dict(os.environ) == before
    other = make_home(os.environ, root=tmp_path / "other")
    assert other.tracking_uri == f"sqlite:///{tmp_path / 'other' / 'mlflow.db'}"


def test_what_it_does_not_find_is_left_to_mlflow(registered: Home) -> None:
    """A deleted version, another alias, another address, a server and a file that is no store give None."""
    uri = registered.tracking_uri
    Registry(NAME, uri).delete_version("2")
    assert registered_folder(f"models:/{NAME}/2", uri) is None
    assert registered_folder(f"models:/{NAME}@nobody", uri) is None
    assert registered_folder("models:/apertune-other/1", uri) is None
    assert registered_folder("runs:/0123/model", uri) is None
    assert registered_folder(f"models:/{NAME}/1", "http://127.0.0.1:1") is None
    (registered.root / "other.db").write_text("no database")
    assert registered_folder(f"models:/{NAME}/1", f"sqlite:///{registered.root / 'other.db'}") is None
    assert registered_folder(f"models:/{NAME}/1", f"sqlite:///{registered.root / 'none.db'}") is None
    assert not (registered.root / "none.db").exists()
