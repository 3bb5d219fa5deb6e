"""Finds a model by what a user calls it: `fer2013@champion`, a registry or run address of MLflow's, or a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ...errors import SettingError

_REGISTERED = re.compile(r"(?P<dataset>[\w.-]+)@(?:v?(?P<version>\d+)|(?P<alias>[A-Za-z][\w-]*))")


def registered_name(dataset: str) -> str:
    """The registered model of a data set."""
    return f"apertune-{dataset}"


def model_address(name: str) -> Path | str:
    """What `name` stands for: a folder, or an address of MLflow's (`models:/…`, `runs:/…`). Raises SettingError."""
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
    """The local folder of a model, fetched into a temporary one when it lies elsewhere. Raises UserErrors."""
    address = model_address(name)
    if isinstance(address, Path):
        yield address
        return
    from .mlflow_store import fetch_model

    with TemporaryDirectory(prefix="apertune-model-") as scratch:
        yield fetch_model(address, tracking_uri, Path(scratch))
