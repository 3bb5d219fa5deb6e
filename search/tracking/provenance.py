"""What lets a result be understood and repeated: its data, its command, its settings, its versions."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import NoneType
from typing import Any

from ...datasets.base import ImageDataset
from ...settings_fields import declarations
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
    """Returns the settings as a run's params, without those that may hold a password."""
    values = {name: getattr(settings, name) for name, one in declarations(SearchSettings).items() if one.recorded}
    words = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if value is not None
    }
    return {**words, "study": study, "workers": str(workers)}


def recorded_settings(params: Mapping[str, str]) -> SearchSettings:
    """Returns the settings that a trial is trained again with, from its search's params, which `described` wrote.

    Settings that a trial is not trained again with have their defaults, and so have all without any params.
    """
    values: dict[str, Any] = {}
    for name, one in declarations(SearchSettings).items():
        if not one.rerun or not params:
            continue
        if name in params:
            values[name] = params[name] if str in one.alternatives else json.loads(params[name])
        elif NoneType in one.alternatives:
            # `described` leaves None out.
            values[name] = None
    return SearchSettings(**values)


def recorded_space(space: str, params: Mapping[str, str]) -> SpaceReference:
    """Returns how a search found its space, from its run's params."""
    settings = recorded_settings(params)
    return SpaceReference(space, settings.recipe, dict(settings.space_options))
