"""Writes MLflow's model folder around a network, and reads how MLflow would load one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ModelError
from ...quiet import import_mlflow_quietly
from ...text import first_line
from ...versions import installed_version
from .contract import ModelContract

if TYPE_CHECKING:
    import keras

# MLflow imports this module to load a served model. Models saved by version 0.1.0 name it too, so it must stay.
SERVING_LOADER = "apertune.search.serving"


def write_keras_model(network: keras.Model, contract: ModelContract, folder: Path, *, for_serving: bool) -> None:
    """Writes MLflow's model folder, with the flavours `keras` and `python_function`.

    The requirements are given rather than inferred: MLflow would load the model in another process, which takes 10 s.
    A served model gets no signature: it takes pixels as well as JPEG and PNG bytes, which no single signature of
    MLflow's can express, and it checks its input itself.

    Args:
        network: The network to save.
        contract: Its contract.
        folder: The folder to make; it must not exist.
        for_serving: Makes apertune's own server the loader of the flavour `python_function`.
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
    """Returns how MLflow would load a folder: settings by flavour. Reads `MLmodel` only.

    Raises:
        ModelError: The folder is not an MLflow model.
    """
    import_mlflow_quietly()
    from mlflow.models import Model

    try:
        flavors = Model.load(str(folder / "MLmodel")).flavors
        return {str(name): dict(settings) for name, settings in flavors.items()}
    except Exception as error:
        # MLflow does not check the file, so anything from a YAML error to a TypeError may come.
        raise ModelError(f"{folder / 'MLmodel'} is not an MLflow model: {first_line(error)}") from None


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
    return [f"{name}=={installed_version(name)}" for name in names]
