"""Reads MLflow's runs, fetches models and files from it, and works with its model registry."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...errors import ApertuneError, ModelError, StudyError
from ...quiet import import_mlflow_quietly
from ...text import first_line
from .mlflow_client import LONGEST_DESCRIPTION, LONGEST_TAG, NoStoreError, open_client

T = TypeVar("T")

_ADDRESS_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
# A run's only model, whatever its name; models that earlier versions logged are called so in MLflow, too.
_MODEL_OF_RUN = re.compile(r"runs:/(?P<run>[^/]+)/model/?")


@dataclass(frozen=True)
class RunFacts:
    """The recorded facts of one run."""

    params: Mapping[str, str]
    """The settings it was given, by name."""
    tags: Mapping[str, str]
    """Its tags, by name: ours are the `_TAG` constants of `records`."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each metric, by name."""


def read_run(run_id: str, tracking_uri: str) -> RunFacts:
    """Returns what MLflow recorded of a run.

    Raises:
        StudyError: If MLflow has no such run.
        ApertuneError: If MLflow cannot be asked.
    """
    unknown = StudyError(f"MLflow has no run '{run_id}'; apertune compare DATASET shows the runs of trials")
    with _one_line_errors():
        run = _if_known(lambda: open_client(tracking_uri).get_run(run_id))
    if run is None:
        raise unknown
    return RunFacts(dict(run.data.params), dict(run.data.tags), dict(run.data.metrics))


def has_model(run_id: str, tracking_uri: str) -> bool:
    """Returns whether MLflow still has the model that a run logged. Raises ApertuneError if it cannot be asked."""
    with _one_line_errors():
        client = open_client(tracking_uri)
        outputs = client.get_run(run_id).outputs
        models = outputs.model_outputs if outputs else []
        return bool(_if_known(lambda: [client.get_logged_model(model.model_id) for model in models]))


def tag_run(run_id: str, tags: Mapping[str, str], tracking_uri: str) -> None:
    """Sets tags of a run. Raises ApertuneError if MLflow does not take them."""
    with _one_line_errors():
        client = open_client(tracking_uri)
        for name, value in tags.items():
            client.set_tag(run_id, name, value[:LONGEST_TAG])


class Registry:
    """The versions of one registered model, and its aliases.

    Every method raises ApertuneError if MLflow refuses the call.

    Args:
        name: Name of the registered model.
        tracking_uri: Address of MLflow's server or local store.
    """

    def __init__(self, name: str, tracking_uri: str) -> None:
        self.name = name
        self.tracking_uri = tracking_uri

    def aliases(self) -> dict[str, str]:
        """Returns versions by alias; none if nothing was registered yet."""
        with _one_line_errors():
            registered = _if_known(lambda: open_client(self.tracking_uri).get_registered_model(self.name))
        aliases = dict(registered.aliases) if registered is not None else {}
        return {str(alias): str(number) for alias, number in aliases.items()}

    def add_version(self, run_id: str, tags: Mapping[str, str], description: str) -> str:
        """Registers the model that a run logged.

        Args:
            run_id: The run.
            tags: Tags of the version.
            description: Its description, in Markdown.

        Returns:
            The new version's number.
        """
        from mlflow.exceptions import MlflowException

        client = open_client(self.tracking_uri)
        _resolve_at(self.tracking_uri)
        with _one_line_errors():
            try:
                client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            model_id = client.get_run(run_id).outputs.model_outputs[0].model_id
            made = client.create_model_version(
                self.name,
                source=f"models:/{model_id}",
                run_id=run_id,
                model_id=model_id,
                tags={name: value[:LONGEST_TAG] for name, value in tags.items()},
                description=description[:LONGEST_DESCRIPTION],
            )
            return str(made.version)

    def versions(self) -> dict[str, dict[str, str]]:
        """Returns tags by version; none if nothing was registered yet."""
        with _one_line_errors():
            found = _if_known(lambda: open_client(self.tracking_uri).search_model_versions(f"name = '{self.name}'"))
            return {str(version.version): dict(version.tags) for version in found or ()}

    def delete_version(self, number: str) -> None:
        """Deletes a version."""
        with _one_line_errors():
            open_client(self.tracking_uri).delete_model_version(self.name, number)

    def version_tags(self, number: str) -> dict[str, str]:
        """Returns the tags of a version."""
        with _one_line_errors():
            return dict(open_client(self.tracking_uri).get_model_version(self.name, number).tags)

    def set_alias(self, alias: str, number: str) -> None:
        """Sets an alias, or moves it to this version in one step."""
        with _one_line_errors():
            open_client(self.tracking_uri).set_registered_model_alias(self.name, alias, number)


def fetch_model(uri: str, tracking_uri: str, folder: Path) -> Path:
    """Copies a model below `folder`.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/MODEL_ID`, `runs:/RUN/PATH`, or `runs:/RUN/model`
            for the model of a run, whatever its name.
        tracking_uri: Address of MLflow's server or local store.
        folder: The folder to copy it to.

    Returns:
        The folder where it lies.

    Raises:
        ModelError: MLflow has no such model.
    """
    import_mlflow_quietly()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        # Raises where MLflow would make a store.
        client = open_client(tracking_uri)
    except NoStoreError as error:
        raise ModelError(f"MLflow has no model '{uri}': {error}") from None
    _resolve_at(tracking_uri)
    try:
        asked = _MODEL_OF_RUN.fullmatch(uri)
        model_id = _model_of_run(client, asked["run"]) if asked else None
        if model_id is None:
            return Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        # In a folder of its own, as MLflow puts what it finds by a path.
        target = folder / "model"
        target.mkdir(parents=True, exist_ok=True)
        return Path(download_artifacts(artifact_uri=f"models:/{model_id}", dst_path=str(target)))
    except (MlflowException, OSError) as error:
        raise ModelError(f"MLflow has no model '{uri}': {first_line(error)}") from None


def _model_of_run(client: Any, run_id: str) -> str | None:
    """Returns MLflow's identifier of the model that a run logged, or None if it logged none or several."""
    outputs = client.get_run(run_id).outputs
    models = {model.model_id for model in outputs.model_outputs} if outputs else set()
    return models.pop() if len(models) == 1 else None


def fetch_run_file(run_id: str, name: str, tracking_uri: str, folder: Path) -> Path:
    """Copies an artifact of a run into `folder` and returns where it lies. Raises ModelError when there is none."""
    try:
        return fetch_model(f"runs:/{run_id}/{name}", tracking_uri, folder)
    except ModelError:
        raise ModelError(f"{name} is not in MLflow run {run_id}") from None


def run_of_model(uri: str, tracking_uri: str) -> str | None:
    """Returns the run that a model came from, or None if MLflow does not know.

    Args:
        uri: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `models:/MODEL_ID` or `runs:/RUN/PATH`.
        tracking_uri: Address of MLflow's server or local store.

    Raises:
        ApertuneError: If MLflow cannot be asked.
    """
    kind, _, rest = uri.partition(":/")
    if kind == "runs":
        return rest.partition("/")[0] or None
    client = open_client(tracking_uri)
    with _one_line_errors():
        name, at, alias = rest.partition("@")
        if at:
            return client.get_model_version_by_alias(name, alias).run_id or None
        name, slash, number = rest.rpartition("/")
        if not slash:
            return client.get_logged_model(rest).source_run_id or None
        return (client.get_model_version(name, number).run_id or None) if number.isdigit() else None


def _resolve_at(tracking_uri: str) -> None:
    """Points the process at an address: MLflow looks `models:/…` up there, whatever address a call names."""
    from mlflow.tracking import set_registry_uri, set_tracking_uri

    before = {name: os.environ.get(name) for name in _ADDRESS_VARIABLES}
    set_tracking_uri(tracking_uri)
    set_registry_uri(tracking_uri)
    # MLflow names the address to all that read the environment later, so that another home would take this one's store.
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Raises MLflow's errors as an ApertuneError of one line, without the credentials that its addresses may hold."""
    import_mlflow_quietly()
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ApertuneError(f"MLflow: {first_line(error)}") from None


def _if_known(ask: Callable[[], T]) -> T | None:
    """Returns what MLflow answers, or None if it has no such thing, or nothing at all yet."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except NoStoreError:
        return None
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
