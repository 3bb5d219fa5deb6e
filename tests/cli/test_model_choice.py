"""The opening of models by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow import MlflowClient

from apertune.cli.model_choice import chosen_model, registered_models
from apertune.errors import ModelError, UnknownNameError
from apertune.search.settings import Home


def register(home: Home) -> None:
    client = MlflowClient(home.tracking_uri, registry_uri=home.tracking_uri)
    for name in ("apertune-digits", "others"):
        client.create_registered_model(name)
        client.create_model_version(name, str(home.root), run_id=None)
        client.set_registered_model_alias(name, "champion", "1")


@pytest.mark.parametrize("name", ["digits@champoin", "digts@champion"])
def test_a_misspelt_alias_or_data_set_gets_the_nearest(home: Home, name: str) -> None:
    """The line names the nearest registered model, and only those of Apertune."""
    register(home)
    with pytest.raises(UnknownNameError) as raised, chosen_model(name, home.tracking_uri):
        pass
    assert str(raised.value) == f"unknown model '{name}'; did you mean 'digits@champion'? Known: digits@champion."


def test_without_any_model_the_error_stays(home: Home) -> None:
    """With nothing registered, MLflow's answer is told."""
    assert registered_models(home.tracking_uri) == []
    with pytest.raises(ModelError, match="MLflow has no model"), chosen_model("digits@champion", home.tracking_uri):
        pass


def test_a_folder_is_opened_as_it_is(home: Home, tmp_path: Path) -> None:
    """A folder needs no name."""
    with chosen_model(str(tmp_path), home.tracking_uri) as folder:
        assert folder == tmp_path
