"""What lets a result be understood and repeated: its data, its command, its settings, its versions."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...datasets.base import ImageDataset
from ...text import hidden_credentials
from ..messages import SpaceReference
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


def recorded_space(space: str, params: Mapping[str, str]) -> SpaceReference:
    """How a search found its space, from its run's params, which `described` wrote."""
    return SpaceReference(space, params.get("recipe"), json.loads(params.get("space_options", "{}")))


def recorded_patience(params: Mapping[str, str]) -> int | None:
    """A search without patience records none; that of a search without any params is the default."""
    if not params:
        return SearchSettings().patience
    return int(params["patience"]) if "patience" in params else None
