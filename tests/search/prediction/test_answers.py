"""Probabilities become names as the contract says."""

from __future__ import annotations

import numpy as np
import pytest

from apertune.search.models.contract import ModelContract
from apertune.search.prediction import UNKNOWN, decide

THREE = ("cat", "dog", "owl")


def contract(task: str, classes: tuple[str, ...] = THREE, **settings: object) -> ModelContract:
    return ModelContract(classes, task, (8, 8, 1), "toys", "ab" * 32, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "row", "names", "probability"),
    [
        (contract("multiclass"), [0.2, 0.7, 0.1], ("dog",), 0.7),
        (contract("multiclass", minimum_probability=0.8), [0.2, 0.7, 0.1], (), 0.7),
        (contract("binary", ("cat", "dog")), [0.7], ("dog",), 0.7),
        (contract("binary", ("cat", "dog"), thresholds=(0.75,)), [0.7], ("cat",), 0.3),
        (contract("binary", ("cat", "dog"), minimum_probability=0.8), [0.3], (), 0.7),
        (contract("multilabel"), [0.6, 0.9, 0.1], ("dog", "cat"), 0.9),
        (contract("multilabel", thresholds=(0.7, 0.2, 0.05)), [0.6, 0.9, 0.1], ("dog", "owl"), 0.9),
        (contract("multilabel"), [0.4, 0.3, 0.1], (), 0.4),
    ],
)
def test_names(model: ModelContract, row: list[float], names: tuple[str, ...], probability: float) -> None:
    """Each task's rule, thresholds and the minimum probability decide the names."""
    answer = decide(model, np.array([row], np.float32))[0]
    assert answer.names == names
    assert answer.probability == pytest.approx(probability)
    assert answer.name == (", ".join(names) or UNKNOWN)
    assert [name for name, _ in answer.probabilities] == [
        name for name, _ in sorted(answer.probabilities, key=lambda entry: -entry[1])
    ]


def test_minimum_can_be_overridden() -> None:
    """A minimum probability given by the user replaces the contract's."""
    rows = np.array([[0.2, 0.7, 0.1]], np.float32)
    assert decide(contract("multiclass", minimum_probability=0.9), rows, 0.5)[0].name == "dog"
    assert decide(contract("multiclass"), rows, 0.9)[0].name == UNKNOWN
