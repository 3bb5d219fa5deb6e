"""Everything that lets a result be understood and repeated: its data, command, settings and versions."""

from __future__ import annotations

import getpass
import json
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from ...datasets.base import ImageDataset
from ...settings_fields import declarations
from ...text import hidden_command
from ...versions import installed_version
from ..settings import SearchSettings
from .records import COMMAND_TAG, FINGERPRINT_TAG, PACKAGES_TAG, DatasetLogged

PACKAGES = ("apertune", "keras", "tensorflow", "keras-tuner", "optuna", "mlflow", "scikit-learn", "numpy", "pandas")


def logged_dataset(dataset: ImageDataset) -> DatasetLogged:
    """Returns the data set as a run's input, whose key the caller fills in."""
    facts = {
        "train": str(len(dataset.train)),
        "validation": str(len(dataset.validation)),
        "test": str(len(dataset.test)),
        "image_shape": "x".join(map(str, dataset.image_shape)),
        "classes": ", ".join(dataset.classes)[:1000],
        "task": dataset.task,
        **({"groups": dataset.grouping.words} if dataset.grouping else {}),
    }
    return DatasetLogged("", dataset.name, dataset.fingerprint, dataset.source, facts)


def about(dataset: ImageDataset) -> dict[str, str]:
    """Returns the tags of every run: the exact command (with credentials starred), the data, the versions."""
    command = hidden_command([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {
        COMMAND_TAG: command,
        PACKAGES_TAG: ", ".join(installed_packages()),
        FINGERPRINT_TAG: dataset.fingerprint,
        # MLflow's UI has columns for these, and shows only the part of a source after its last slash.
        "mlflow.source.name": " ".join(word.rstrip("/").rpartition("/")[2] for word in shlex.split(command)),
        "mlflow.source.type": "LOCAL",
        "mlflow.user": getpass.getuser(),
    }


def installed_packages() -> list[str]:
    """Returns names and versions of Python and of the packages that results depend on, always in the same order."""
    installed = [f"python {platform.python_version()}"]
    for package in PACKAGES:
        if (found := installed_version(package)) is not None:
            installed.append(f"{package} {found}")
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


def recorded_settings(space: str, epochs: int, params: Mapping[str, str]) -> SearchSettings:
    """Returns the settings that a search's trainings are repeated with.

    Args:
        space: Name of the space.
        epochs: Maximum epochs per trial.
        params: The params of the search's run, which `described` wrote; empty for a run without any.
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
    return SearchSettings(space=space, epochs=epochs, **values)
