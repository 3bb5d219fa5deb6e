from __future__ import annotations

import json
import math

import pytest

from apertune.search.evaluation.direction import Direction


@pytest.mark.parametrize(
    ("direction", "better", "best"), [(Direction.MAXIMIZE, 3.0, "c"), (Direction.MINIMIZE, 1.0, "a")]
)
def test_a_direction_tells_better_from_worse(direction: Direction, better: float, best: str) -> None:
    """A better value beats, has the lower loss, and is found among others; an equal one or NaN beats nothing."""
    assert direction.better(better, 2.0)
    assert not direction.better(2.0, better)
    assert not direction.better(2.0, 2.0)
    assert not direction.better(math.nan, 2.0)
    assert direction.loss(better) < direction.loss(2.0)
    values = {"b": 2.0, "a": 1.0, "c": 3.0}
    assert direction.best(values, values.__getitem__) == best
    assert direction.best([], values.__getitem__) is None


def test_a_direction_is_printed_as_its_word() -> None:
    """Text, format and JSON of a direction are the word that Optuna uses."""
    assert f"{Direction.MAXIMIZE}" == str(Direction.MAXIMIZE) == "maximize"
    assert json.dumps([Direction.MINIMIZE]) == '["minimize"]'
