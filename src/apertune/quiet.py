"""Imports Keras, Optuna and MLflow, and runs libraries, without the lines that these write on their own."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .keras_backend import check_backend

# MLflow reads these as it is imported: it reports its use, reads pickles and shows progress bars unless told otherwise.
MLFLOW_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def import_keras_quietly() -> None:
    """Imports Keras, unless it is imported already.

    As TensorFlow loads, it writes about processors and drivers to standard error, past Python and before its own
    setting TF_CPP_MIN_LOG_LEVEL takes effect; and it takes a GPU's whole memory unless told otherwise.

    Raises:
        SettingError: The chosen backend is none that trains, or is not installed.
    """
    # TensorFlow takes the first answer of each of several networks for the same function, compiled again and again.
    logging.getLogger("tensorflow").addFilter(_is_not_of_retracing)
    if "keras" in sys.modules:
        return
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with nothing_on_standard_error():
        import keras  # noqa: F401  # imported for its backend


def _is_not_of_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in str(record.msg)


@contextmanager
def nothing_on_standard_error() -> Iterator[None]:
    """Discards all that is written to standard error, past Python too; errors are still raised."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        _flush()
        os.dup2(nowhere, 2)
        yield
    finally:
        _flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _flush() -> None:
    # Python has no standard error where a window system starts it.
    if sys.stderr is not None:
        sys.stderr.flush()


def import_optuna_quietly() -> None:
    """Imports Optuna, whose progress bars, which are not used here, would warn of a notebook without ipywidgets."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import optuna  # noqa: F401  # imported so that its warning comes here


def import_mlflow_quietly() -> None:
    """Imports MLflow, which would otherwise warn about its own type hints, report its use, and read pickles."""
    for variable, value in MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401  # imported so that its warnings come here
    # uv's environments hold no pip, so MLflow would warn at every save that it cannot tell pip's version.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
