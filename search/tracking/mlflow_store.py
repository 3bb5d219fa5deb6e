"""All that models need of MLflow: writing model folders, and fetching them from runs and the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...errors import ApertuneError, ModelError, StudyError
from ...quiet import import_mlflow_quietly
from ...text import first_line
from .local_store import local_path
from .mlflow_tracker import LONGEST_TAG

T = TypeVar("T")

# PostgreSQL and MySQL hold no more of a version's description.
LONGEST_DESCRIPTION = 5000


@dataclass(frozen=True)
class RunFacts:
    """What a run was given, what it is tagged with, and the last value of each of its metrics."""

    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float] = field(default_factory=dict)


def read_run(run_id: str, tracking_uri: str) -> RunFacts:
    """Raises StudyError when MLflow has no such run, ApertuneError when it cannot be asked."""
    unknown = StudyError(f"MLflow has no run '{run_id}'; apertune compare DATASET shows the runs of trials")
    store = local_path(tracking_uri)
    # MLflow would create it.
    if store is not None and not store.exists():
        raise unknown
    import_mlflow_quietly()
    with _one_line_errors():
        run = _if_known(lambda: _client(tracking_uri).get_run(run_id))
    if run is None:
        raise unknown
    return RunFacts(dict(run.data.params), dict(run.data.tags), dict(run.data.metrics))


def has_model(run_id: str, tracking_uri: str) -> bool:
    """Whether MLflow still lists the model that the run logged. Raises ApertuneError when it cannot be asked."""
    client = _client(tracking_uri)
    with _one_line_errors():
        outputs = client.get_run(run_id).outputs
        models = outputs.model_outputs if outputs else []
        return bool(_if_known(lambda: [client.get_logged_model(model.model_id) for model in models]))


def tag_run(run_id: str, tags: Mapping[str, str], tracking_uri: str) -> None:
    """Raises ApertuneError when MLflow does not take them."""
    with _one_line_errors():
        for name, value in tags.items():
            _client(tracking_uri).set_tag(run_id, name, value[:LONGEST_TAG])


class Registry:
    """The versions of one registered model, and its aliases. Each call raises ApertuneError when MLflow refuses it."""

    def __init__(self, name: str, tracking_uri: str) -> None:
        self.name = name
        self.tracking_uri = tracking_uri

    def aliases(self) -> dict[str, str]:
        """Version by alias; empty when nothing was registered yet."""
        with _one_line_errors():
            registered = _if_known(lambda: _client(self.tracking_uri).get_registered_model(self.name))
        aliases = dict(registered.aliases) if registered is not None else {}
        return {str(alias): str(number) for alias, number in aliases.items()}

    def add_version(self, run_id: str, tags: Mapping[str, str], description: str) -> str:
        """Registers the model that the run logged; returns its version."""
        from mlflow.exceptions import MlflowException

        client = _client(self.tracking_uri)
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
        """Tags by version; empty when nothing was registered yet."""
        with _one_line_errors():
            found = _client(self.tracking_uri).search_model_versions(f"name = '{self.name}'")
            return {str(version.version): dict(version.tags) for version in found}

    def delete_version(self, number: str) -> None:
        with _one_line_errors():
            _client(self.tracking_uri).delete_model_version(self.name, number)

    def version_tags(self, number: str) -> dict[str, str]:
        with _one_line_errors():
            return dict(_client(self.tracking_uri).get_model_version(self.name, number).tags)

    def set_alias(self, alias: str, number: str) -> None:
        """Moves the alias in one step."""
        with _one_line_errors():
            _client(self.tracking_uri).set_registered_model_alias(self.name, alias, number)


def fetch_model(uri: str, tracking_uri: str, folder: Path) -> Path:
    """Copies a model, `models:/NAME@ALIAS`, `models:/NAME/VERSION` or `runs:/RUN/PATH`, below `folder`.

    Returns where it lies. Raises ModelError when MLflow has no such model.
    """
    import_mlflow_quietly()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    _resolve_at(tracking_uri)
    try:
        fetched = download_artifacts(artifact_uri=uri, dst_path=str(folder))
    except (MlflowException, OSError) as error:
        raise ModelError(f"MLflow has no model '{uri}': {first_line(error)}") from None
    return Path(fetched)


def fetch_run_file(run_id: str, name: str, tracking_uri: str, folder: Path) -> Path:
    """Copies an artifact of a run into `folder` and returns where it lies. Raises ModelError when there is none."""
    try:
        return fetch_model(f"runs:/{run_id}/{name}", tracking_uri, folder)
    except ModelError:
        raise ModelError(f"{name} is not in MLflow run {run_id}") from None


def run_of_model(uri: str, tracking_uri: str) -> str | None:
    """The run that a model of MLflow's came from: of `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `runs:/RUN/PATH`.

    None where MLflow does not know. Raises ApertuneError when MLflow cannot be asked.
    """
    kind, _, rest = uri.partition(":/")
    if kind == "runs":
        return rest.partition("/")[0] or None
    client = _client(tracking_uri)
    with _one_line_errors():
        name, at, alias = rest.partition("@")
        if at:
            return client.get_model_version_by_alias(name, alias).run_id or None
        name, _, number = rest.rpartition("/")
        return (client.get_model_version(name, number).run_id or None) if number.isdigit() else None


def _resolve_at(tracking_uri: str) -> None:
    """MLflow looks `models:/…` up in the process's registry, whatever address it is given beside it."""
    from mlflow.tracking import set_registry_uri, set_tracking_uri

    set_tracking_uri(tracking_uri)
    set_registry_uri(tracking_uri)


def _client(tracking_uri: str) -> Any:
    import_mlflow_quietly()
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri, registry_uri=tracking_uri)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """MLflow's errors as one line, without the credentials that its addresses may hold."""
    import_mlflow_quietly()
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ApertuneError(f"MLflow: {first_line(error)}") from None


def _if_known(ask: Callable[[], T]) -> T | None:
    """What MLflow answers; None where it has no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
