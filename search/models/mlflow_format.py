"""MLflow's model folder: writing one around a network, and reading how MLflow would load it."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import StudyError
from ...quiet import import_mlflow_quietly
from ...text import first_line
from .contract import ModelContract

if TYPE_CHECKING:
    import keras

SERVING_LOADER = "apertune.search.serving"


def write_keras_model(network: keras.Model, contract: ModelContract, folder: Path, *, for_serving: bool) -> None:
    """Writes MLflow's model folder, which must not exist: flavours `keras` and `python_function`.

    The requirements are given, not inferred: MLflow infers them by loading the model in another process,
    which takes 10 s. A served model gets no signature: it takes pixels as well as JPEG and PNG bytes, which no
    one signature of MLflow's says, and checks its input itself.
    """
    import_mlflow_quietly()
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
    import_mlflow_quietly()
    from mlflow.models import Model

    try:
        flavors = Model.load(str(folder / "MLmodel")).flavors
        return {str(name): dict(settings) for name, settings in flavors.items()}
    except Exception as error:
        # Anything from a YAML error to a TypeError, as MLflow checks nothing of the file itself.
        raise StudyError(f"{folder / 'MLmodel'} is not an MLflow model: {first_line(error)}") from None


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
