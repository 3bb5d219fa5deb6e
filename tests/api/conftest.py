"""One real search of two small trials, which the tests of the public face look at, and Python's words for messages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import apertune
from apertune.wording import speak_of_flags


@pytest.fixture(autouse=True)
def _in_the_words_of_python(_in_the_words_of_the_command: None) -> Iterator[None]:
    """Messages speak of arguments, as they do wherever the command does not run."""
    speak_of_flags(flags=False)
    yield
    speak_of_flags()


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> apertune.Study:
    """Digits, searched for two trials of two epochs, with a home of its own."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APERTUNE_CACHE", str(folder / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        (folder / "mlflow").mkdir()
        shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
        return apertune.tune(
            apertune.load("digits", image_size=8),
            trials=2,
            epochs=2,
            workers=2,
            pruner="none",
            narrow={"filters": [16, 32]},
            fix={"blocks": 2},
            home=folder / "mlflow",
            quiet=True,
        )
