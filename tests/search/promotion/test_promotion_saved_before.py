"""Models that version 0.1.0 saved are loaded, promoted, exported and served as they were then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from model_server import ask, serving
from programs import SAVED_BEFORE

from apertune.search.export import export_model
from apertune.search.models.package import load_model
from apertune.search.prediction import open_predictor
from apertune.search.promotion import PromotionSettings
from apertune.search.tracking.model_addresses import model_folder

if TYPE_CHECKING:
    from .conftest import Studies

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHADES = np.stack([np.full((16, 16, 3), level, np.uint8) for level in (5, 128, 250)])


def names(folder: Path) -> list[str]:
    """The names that a model's network has for a dark, a middle and a light image."""
    network, contract = load_model(folder)
    return [contract.classes[answer] for answer in network.predict(SHADES, verbose=0).argmax(axis=1)]


@pytest.mark.parametrize("saved", ["trial", "served"])
def test_it_is_loaded(saved: str) -> None:
    """A model that a trial left, and one that was packaged for serving, answer as they did."""
    assert load_model(SAVED_BEFORE / saved)[1].apertune_version == "0.1.0"
    assert names(SAVED_BEFORE / saved) == ["dark", "middle", "light"]


@pytest.mark.ci
def test_it_is_exported(tmp_path: Path) -> None:
    """It is exported, the export answers as it does, and `predict` opens both."""
    report = export_model(SAVED_BEFORE / "served", tmp_path / "out", formats=("keras", "saved_model"))
    assert [row.problem for row in report.rows] == [None, None]
    for folder in (SAVED_BEFORE / "served", tmp_path / "out"):
        assert open_predictor(folder).contract.classes == ("dark", "middle", "light")


@pytest.mark.ci
def test_it_is_served(tmp_path: Path) -> None:
    """MLflow's server finds its loader by the name that the model has for it."""
    with serving(str(SAVED_BEFORE / "served"), tmp_path / "log", os.environ) as address:
        status, answers = ask(address, {"inputs": SHADES.tolist()})
    assert (status, [answer["name"] for answer in answers]) == (200, ["dark", "middle", "light"])


def test_it_is_promoted(saved_before: Studies) -> None:
    """A study whose trial left such a model promotes it, and the registered version answers as it did."""
    promotion = saved_before.promote(PromotionSettings(study="before", seeds=1))
    assert promotion.registered.alias == "champion"
    with model_folder("shades@champion", saved_before.home.tracking_uri) as folder:
        assert names(folder) == ["dark", "middle", "light"]
