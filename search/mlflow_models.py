"""All that models need of MLflow: writing model folders, and fetching them from runs and the registry."""

from __future__ import annotations

import logging
import os
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import StudyError
from .model_contract import ModelContract
from .model_safety import first_line

if TYPE_CHECKING:
    import keras

SERVING_LOADER = "apertune.search.serving"


def write_keras_model(network: keras.Model, contract: ModelContract, folder: Path, *, for_serving: bool) -> None:
    """Writes MLflow's model folder, which must not exist: flavours `keras` and `python_function`.

    The requirements are given, not inferred: MLflow infers them by loading the model in another process,
    which takes 10 s. A served model gets no signature: it takes pixels as well as JPEG and PNG bytes, which no
    one signature of MLflow's says, and checks its input itself.
    """
    _import_quietly()
    import mlflow.keras
    from mlflow.models import Model

    model = Model()
    mlflow.keras.save_model(
        network,
        str(folder),
        mlflow_model=model,
        signature=_signature(contract),
        pip_requirements=_requirements(for_serving=for_serving),
    )
    if for_serving:
        model.flavors["python_function"]["loader_module"] = SERVING_LOADER
        model.signature = None
        model.save(str(folder / "MLmodel"))


def read_flavors(folder: Path) -> dict[str, dict[str, Any]]:
    """How MLflow would load the folder: settings by flavour. Reads `MLmodel` and nothing else. Raises StudyError."""
    _import_quietly()
    from mlflow.models import Model

    try:
        flavors = Model.load(str(folder / "MLmodel")).flavors
        return {str(name): dict(settings) for name, settings in flavors.items()}
    except Exception as error:
        # Anything from a YAML error to a TypeError, as MLflow checks nothing of the file itself.
        raise StudyError(f"{folder / 'MLmodel'} is not an MLflow model: {first_line(error)}") from None


def fetch_model(uri: str, tracking_uri: str, folder: Path) -> Path:
    """Copies a model, `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/RUN/PATH`, below `folder`.

    Returns where it lies. Raises StudyError when MLflow has no such model.
    """
    _import_quietly()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import set_registry_uri, set_tracking_uri

    # MLflow resolves an alias in the process's registry, whatever address it is given beside the model's.
    set_tracking_uri(tracking_uri)
    set_registry_uri(tracking_uri)
    try:
        fetched = download_artifacts(artifact_uri=uri, dst_path=str(folder))
    except (MlflowException, OSError) as error:
        raise StudyError(f"MLflow has no model '{uri}': {first_line(error)}") from None
    return Path(fetched)


def bad_request(message: str) -> Exception:
    """An error that MLflow's scoring server answers with 400 and the message."""
    from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

    error: Exception = MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
    return error


def _signature(contract: ModelContract) -> Any:
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    pixels = TensorSpec(np.dtype(np.uint8), (-1, *contract.image_shape))
    probabilities = TensorSpec(np.dtype(np.float32), (-1, contract.outputs))
    return ModelSignature(inputs=Schema([pixels]), outputs=Schema([probabilities]))


def _requirements(*, for_serving: bool) -> list[str]:
    import keras

    backend = {"torch": "torch"}.get(keras.backend.backend(), keras.backend.backend())
    names = ["mlflow", "keras", backend, "numpy", *(["apertune", "pillow"] if for_serving else [])]
    return [f"{name}=={version(name)}" for name in names]


def _import_quietly() -> None:
    """Imports MLflow, which otherwise warns of its own type hints, reports its use, and reads pickles."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401, imported for its warnings
    # uv's environments hold no pip, and MLflow warns at every save that it cannot tell pip's version.
    logging.getLogger("mlflow.utils.environment").setLevel(logging.ERROR)
