"""Names that users give, and the names that MLflow takes."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given
from mlflow.utils.validation import _validate_param_name

from apertune.search.tracking.mlflow_names import LONGEST_NAME, mlflow_name


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
