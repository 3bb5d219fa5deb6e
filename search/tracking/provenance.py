"""What lets a result be understood and repeated: its data, its command, its settings, its versions."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...datasets.base import ImageDataset
from ...text import hidden_credentials
from ..settings import SearchSettings
from .records import DatasetLogged

PACKAGES = ("apertune", "keras", "tensorflow", "keras-tuner", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")


def logged_dataset(dataset: ImageDataset) -> DatasetLogged:
    """The data set as a run's input; the run's key is still to be filled in."""
    facts = {
        "train": str(len(dataset.train)),
        "validation": str(len(dataset.validation)),
        "test": str(len(dataset.test)),
        "image_shape": "x".join(map(str, dataset.image_shape)),
        "classes": ", ".join(dataset.classes)[:1000],
        "task": dataset.task,
    }
    return DatasetLogged("", dataset.name, dataset.fingerprint, dataset.source, facts)


def about(dataset: ImageDataset) -> dict[str, str]:
    """Tags of every run: the exact command (passwords starred), the data, the versions."""
    command = hidden_credentials(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]))
    return {
        "command": command,
        "packages": ", ".join(installed_packages()),
        "fingerprint": dataset.fingerprint,
        # Shown by MLflow's UI in columns of its own; of a source it shows what comes after the last slash.
        "mlflow.source.name": " ".join(word.rstrip("/").rpartition("/")[2] for word in shlex.split(command)),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": getpass.getuser(),
    }


def installed_packages() -> list[str]:
    """Name and version of Python and of each package that results depend on, always in one order."""
    installed = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            installed.append(f"{package} {version(package)}")
    return installed


def described(settings: SearchSettings, study: str, workers: int) -> dict[str, str]:
    """The settings as a run's params; the storage, which may hold a password, is not among them."""
    given = {name: value for name, value in asdict(replace(settings, storage=None)).items() if value is not None}
    words = {name: value if isinstance(value, str) else json.dumps(value) for name, value in given.items()}
    return {**words, "study": study, "workers": str(workers)}


# The settings that a training is repeated with.
REPEATED = ("recipe", "space_options", "patience", "mixed_precision", "keep_models", "folds", "repeats")


def recorded_settings(space: str, epochs: int, params: Mapping[str, str]) -> SearchSettings:
    """Returns the settings that a search's trainings are repeated with.

    Args:
        space: Name of the space.
        epochs: Epochs of a trial at most.
        params: Those of the search's run, which `described` wrote; empty for a run that has none.
    """
    given: dict[str, Any] = {}
    for field in fields(SearchSettings) if params else ():
        if field.name in REPEATED and field.name in params:
            is_text = isinstance(field.default, str) or field.name == "recipe"
            given[field.name] = params[field.name] if is_text else json.loads(params[field.name])
    if params:
        # A search without patience records none.
        given.setdefault("patience", None)
    return SearchSettings(space=space, epochs=epochs, **given)
