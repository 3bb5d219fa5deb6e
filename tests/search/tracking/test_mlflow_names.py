"""Names that users give, and the names that MLflow takes."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository
from mlflow.utils.validation import _validate_logged_model_name, _validate_param_name

from apertune.search.tracking.mlflow_names import LONGEST_NAME, mlflow_name, trial_model_name


@given(st.text(min_size=1, max_size=400))
def test_every_name_becomes_one_that_mlflow_takes(name: str) -> None:
    """Any text becomes a name within MLflow's rules and length."""
    written = mlflow_name(name)
    _validate_param_name(written)
    assert 0 < len(written) <= LONGEST_NAME


@pytest.mark.parametrize("name", ["units", "recipe/learning_rate", "learning rate", "активация", "a.b-c_1"])
def test_a_name_that_mlflow_takes_stays_as_it_is(name: str) -> None:
    """Names within the rules, those of other alphabets included, are not touched."""
    assert mlflow_name(name) == name


def test_names_that_would_become_one_stay_apart() -> None:
    """Different names are written differently, however much of them MLflow refuses."""
    names = ["rate (log)", "rate [log]", "rate {log}", "u" * 300, "u" * 301, "..", ".", "/a", "a//b"]
    assert len({mlflow_name(name) for name in names}) == len(names)


@given(st.text(max_size=400), st.integers(0, 10**6))
def test_every_data_set_gives_its_models_a_name_that_mlflow_takes(dataset: str, number: int) -> None:
    """Whatever the data set is called, MLflow takes the name, and an address that holds it leads to it alone."""
    name = trial_model_name(dataset, number)
    _validate_logged_model_name(name)
    assert len(name) <= LONGEST_NAME
    assert name.endswith(f"-trial-{number:04d}")
    assert RunsArtifactRepository.parse_runs_uri(f"runs:/0123/{name}") == ("0123", name)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("digits", "digits-trial-0007"),
        ("fer2013_v2", "fer2013_v2-trial-0007"),
        ("my photos, 2024: v1.1", "my-photos-2024-v1-1-trial-0007"),
        ("кошки", "кошки-trial-0007"),
        ("???", "data-trial-0007"),
    ],
)
def test_models_are_named_by_data_set_and_trial(dataset: str, name: str) -> None:
    """The name is the data set's, but for what MLflow refuses or an address cannot hold."""
    assert trial_model_name(dataset, 7) == name
