"""Imports Keras, and lets it work, without what its backend has to say of itself."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


def import_keras_quietly() -> None:
    """Imports Keras, unless it is imported already.

    TensorFlow writes of processors and drivers to standard error as it loads, past Python and before its own
    TF_CPP_MIN_LOG_LEVEL holds; and it takes a GPU's whole memory unless told otherwise.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    with nothing_on_standard_error():
        import keras  # noqa: F401  # for its backend's sake


@contextmanager
def nothing_on_standard_error() -> Iterator[None]:
    """What libraries write to the descriptor, past Python, goes nowhere; errors are raised as ever."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def import_mlflow_quietly() -> None:
    """Imports MLflow, which otherwise warns of its own type hints, reports its use, and reads pickles."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401, imported for its warnings
    # uv's environments hold no pip, and MLflow warns at every save that it cannot tell pip's version.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
