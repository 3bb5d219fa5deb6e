"""The house stands as it is drawn: what is public, what is imported when, and what is not where."""

from __future__ import annotations

import subprocess
import sys

import pytest
from programs import REPOSITORY

import apertune
import apertune.datasets
import apertune.search
import apertune.spaces


def imported_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter holds after the statement."""
    program = f"{statement}\nimport sys\nprint(*sorted(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_public_names_are_these() -> None:
    """What each room exports is pinned, so that a change of it is meant."""
    assert sorted(apertune.__all__) == ["ApertuneError", "UserError"]
    assert sorted(apertune.search.__all__) == [
        "Home",
        "PlaceSettings",
        "PromotionSettings",
        "SearchResult",
        "SearchSettings",
        "TrialRecord",
        "make_home",
        "promote",
        "rollback",
        "run",
    ]
    assert sorted(apertune.spaces.__all__) == [
        "Condition",
        "Parameter",
        "SearchSpace",
        "discover",
        "hyperparameters",
        "load",
    ]
    for room in (apertune.search, apertune.spaces, apertune.datasets):
        assert all(hasattr(room, name) for name in room.__all__)


def test_mlflow_stays_the_real_one() -> None:
    """From the project's root `import mlflow` is the library, and the folder mlflow/ holds no Python."""
    assert not list((REPOSITORY / "mlflow").rglob("*.py"))
    program = "import mlflow.version; print(mlflow.version.VERSION)"
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("3.")


def test_the_command_imports_nothing_heavy() -> None:
    """Making the command imports no framework, no MLflow, no Optuna, no pandas and no plotting."""
    heavy = {"tensorflow", "keras", "keras_tuner", "mlflow", "optuna", "pandas", "sklearn", "matplotlib", "numpy"}
    assert not heavy & imported_by("import apertune.cli")


@pytest.mark.parametrize("module", ["apertune.search.engine.supervisor", "apertune.search.engine.launch"])
def test_the_supervisor_imports_no_framework(module: str) -> None:
    """The process that owns a search imports neither Keras nor MLflow nor plotting."""
    assert not {"tensorflow", "keras", "keras_tuner", "mlflow", "matplotlib", "plotly"} & imported_by(
        f"import {module}"
    )


def test_a_worker_imports_no_optuna() -> None:
    """A worker knows neither Optuna nor MLflow's server before it trains."""
    assert not {"optuna", "mlflow"} & imported_by("import apertune.search.training.worker")
