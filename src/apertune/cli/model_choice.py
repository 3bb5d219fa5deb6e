"""The opening of a model by its name, with the nearest names where there is none of that name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ApertuneError, ModelError, UnknownNameError


@contextmanager
def chosen_model(name: str, tracking_uri: str) -> Iterator[Path]:
    """Yields the local folder of a model as `model_folder` does.

    Args:
        name: A name such as `fer2013@champion`, an address of MLflow's, or a folder.
        tracking_uri: The MLflow store.

    Raises:
        UnknownNameError: No registered model has the name; the message suggests the nearest.
        UserError: For any other name that stands for no model.
    """
    from ..search.tracking.model_addresses import model_folder

    with _named(name, tracking_uri), model_folder(name, tracking_uri) as folder:
        yield folder


@contextmanager
def _named(name: str, tracking_uri: str) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        if "@" not in name or "MLflow has no model" not in error.message:
            raise
        if known := registered_models(tracking_uri):
            raise UnknownNameError("model", name, known) from error
        raise


def registered_models(tracking_uri: str) -> list[str]:
    """Returns the names of all registered models by alias; none where MLflow cannot be asked."""
    from ..search.tracking.mlflow_client import open_client
    from ..search.tracking.model_addresses import registered_name

    prefix = registered_name("")
    try:
        models: list[Any] = open_client(tracking_uri).search_registered_models()
    except (ApertuneError, OSError):
        return []
    return [
        f"{model.name.removeprefix(prefix)}@{alias}"
        for model in models
        if model.name.startswith(prefix)
        for alias in model.aliases
    ]
