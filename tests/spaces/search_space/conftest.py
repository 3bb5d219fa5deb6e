from __future__ import annotations

import pytest

from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

SGD = (Condition("optimizer", ("sgd",)),)
SPACE = SearchSpace(
    (
        Parameter("blocks", "int", 3, low=1, high=6, step=1, sampling="linear"),
        Parameter("batch_size", "int", 64, low=16, high=256, step=2, sampling="log"),
        Parameter("dropout", "float", 0.1, low=0.0, high=0.5, step=0.1, sampling="linear"),
        Parameter("optimizer", "choice", "adam", values=("adam", "sgd")),
        Parameter("momentum", "float", 0.9, low=0.5, high=0.99, sampling="linear", conditions=SGD),
        Parameter("nesterov", "boolean", True, conditions=SGD),
        Parameter("kernel", "choice", 3, values=(3, 5, 7), ordered=True),
        Parameter("rate", "float", 1e-3, low=1e-5, high=1e-2, sampling="log"),
    )
)


@pytest.fixture
def space() -> SearchSpace:
    """Returns a space with a parameter of every kind, two of them under a condition."""
    return SPACE
