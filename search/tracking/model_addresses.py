"""Finds a model by the name that a user gives: `fer2013@champion`, an address of MLflow's, or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import SettingError
from ...files.scratch import scratch_folder
from .local_models import registered_folder

_REGISTERED = re.compile(r"(?P<dataset>[\w.-]+)@(?:v?(?P<version>\d+)|(?P<alias>[A-Za-z][\w-]*))")


def registered_name(dataset: str) -> str:
    """Returns the name of a data set's registered model."""
    return f"apertune-{dataset}"


def model_address(name: str) -> Path | str:
    """Returns the folder, or the address of MLflow's (`models:/…`, `runs:/…`), that a name stands for.

    Raises:
        SettingError: For a name that is neither.
    """
    if name.startswith(("models:/", "runs:/")):
        return name
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return folder
    match = _REGISTERED.fullmatch(name)
    if match is None:
        raise SettingError(
            f"'{name}' is neither a folder nor the name of a model; give fer2013@champion, fer2013@3, "
            "runs:/RUN/model, or a folder that apertune saved or exported"
        )
    model = registered_name(match["dataset"])
    return f"models:/{model}/{match['version']}" if match["version"] else f"models:/{model}@{match['alias']}"


@contextmanager
def model_folder(name: str, tracking_uri: str) -> Iterator[Path]:
    """Yields the local folder of a model, or a temporary copy where a server has the model.

    Raises:
        UserError: For a name that stands for no model, and for a model that MLflow does not have.
    """
    address = model_address(name)
    if isinstance(address, Path):
        yield address
        return
    registered = registered_folder(address, tracking_uri)
    if registered is not None:
        yield registered
        return
    from .mlflow_store import fetch_model

    with scratch_folder("model") as scratch:
        yield fetch_model(address, tracking_uri, scratch)
