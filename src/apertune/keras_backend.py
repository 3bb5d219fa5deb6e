"""The backend that Keras computes with, by Keras's own rules, checked before anything is imported or read."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

from .errors import SettingError

# Those that train. Keras knows others, which only answer.
BACKENDS = ("tensorflow", "jax", "torch")


def keras_backend() -> str:
    """Returns the backend of Keras on this machine: that of the environment, of its settings file, or TensorFlow.

    Raises:
        SettingError: It is none that trains.
    """
    backend, said = _chosen()
    if backend not in BACKENDS:
        raise SettingError(f"{said} must be {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}, but got '{backend}'")
    return backend


def check_backend() -> None:
    """Checks that Keras can compute on this machine.

    Raises:
        SettingError: The backend is none that trains, or is not installed.
    """
    backend, said = keras_backend(), _chosen()[1]
    if importlib.util.find_spec(backend) is None:
        raise SettingError(f"{said} is '{backend}', which is not installed; install it, or choose another backend")


def _chosen() -> tuple[str, str]:
    """Returns the backend, and the place where it was chosen."""
    if chosen := os.environ.get("KERAS_BACKEND"):
        return chosen, "KERAS_BACKEND"
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    file = Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser() / "keras.json"
    try:
        return str(json.loads(file.read_text())["backend"]), f"the backend in {file}"
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow", "the backend"
