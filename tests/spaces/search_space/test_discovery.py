from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras_tuner
import pytest

from apertune import spaces
from apertune.errors import SpaceError
from apertune.spaces.networks.convnet import ConvNet
from apertune.spaces.search_space.parameters import Condition, SearchSpace


class Declared:
    """A space that only declares."""

    declares_all = False

    def __init__(self, declare: Callable[[keras_tuner.HyperParameters], object]) -> None:
        self._declare = declare

    def without_effect(self, parameters: Sequence[Any]) -> list[Any]:
        return []

    def declarations(self) -> tuple[Callable[[keras_tuner.HyperParameters], object], ...]:
        return (self._declare,)


def discover(declare: Callable[[keras_tuner.HyperParameters], object]) -> SearchSpace:
    return spaces.discover(Declared(declare))  # type: ignore[arg-type]  # has all that discovery looks at


def test_nested_branches_are_walked_parents_first() -> None:
    """A parameter two conditions deep, in code that runs only when they hold, is found after its parents."""

    def declare(hp: keras_tuner.HyperParameters) -> None:
        model = hp.Choice("model", ["flat", "deep"])
        with hp.conditional_scope("model", ["deep"]):
            if model == "deep":
                head = hp.Choice("head", ["a", "b"])
                with hp.conditional_scope("head", ["b"]):
                    if head == "b":
                        hp.Int("units", 1, 3)

    space = discover(declare)
    assert [parameter.name for parameter in space.parameters] == ["model", "head", "units"]
    assert space.parameters[2].conditions == (Condition("model", ("deep",)), Condition("head", ("b",)))


def test_a_branch_that_cannot_be_built_does_not_stop_the_walk() -> None:
    """Values that the user's code cannot build are passed over, but an error with the defaults is raised."""

    def declare(hp: keras_tuner.HyperParameters) -> None:
        if hp.Int("depth", 1, 9) > 5:
            raise ValueError("too deep")
        if hp.Boolean("wide"):
            hp.Int("width", 1, 2)

    assert {parameter.key for parameter in discover(declare).parameters} == {"depth", "wide", "width@wide=True"}

    def broken(hp: keras_tuner.HyperParameters) -> None:
        raise ValueError("never")

    with pytest.raises(ValueError, match="never"):
        discover(broken)


def test_kinds_and_types_are_kept() -> None:
    """Every KerasTuner kind becomes data with its own types; a Choice of booleans becomes one of 1 and 0."""

    def declare(hp: keras_tuner.HyperParameters) -> None:
        hp.Int("int", 2, 8, step=2, sampling="log", default=4)
        hp.Float("float", 0, 1)
        hp.Choice("choice", [0.5, 0.25])
        hp.Choice("flags", [True, False])
        hp.Boolean("boolean", default=True)
        hp.Fixed("fixed", "x")

    space = discover(declare)
    assert space.defaults() == {"int": 4, "float": 0.0, "choice": 0.5, "flags": 1, "boolean": True, "fixed": "x"}
    assert [type(value) for value in space.defaults().values()] == [int, float, float, int, bool, str]
    assert SearchSpace.from_json(space.to_json()) == space


def test_hyperparameters_hold_what_was_drawn() -> None:
    """KerasTuner code gets the drawn values, the defaults of missing ones, and None for inactive ones."""

    def declare(hp: keras_tuner.HyperParameters) -> Any:
        first = hp.Choice("optimizer", ["adam", "sgd"])
        with hp.conditional_scope("optimizer", ["sgd"]):
            momentum = hp.Float("momentum", 0.5, 0.9)
        return first, momentum, hp.Int("units", 1, 9)

    space = discover(declare)
    assert declare(spaces.hyperparameters(space, {"units": 7})) == ("adam", None, 7)
    assert declare(spaces.hyperparameters(space, {"optimizer": "sgd", "momentum": 0.7})) == ("sgd", 0.7, 1)
    with pytest.raises(SpaceError, match="units cannot be 10"):
        spaces.hyperparameters(space, {"units": 10})
    with pytest.raises(SpaceError, match="no active parameter of this search space is called momentum"):
        spaces.hyperparameters(space, {"optimizer": "adam", "momentum": 0.7})


def test_a_space_that_ships_is_discovered_without_a_layer(spec_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Discovery of `convnet` builds no network, and finds momentum under sgd only."""

    def refuse(*_: Any) -> None:
        raise AssertionError("built")

    monkeypatch.setattr(ConvNet, "build", refuse)
    space = spaces.discover(spaces.load("convnet", spec_of("multilabel", (48, 48, 3))))
    momentum = [parameter for parameter in space.parameters if parameter.name == "momentum"]
    assert [parameter.key for parameter in momentum] == ["momentum@optimizer=sgd"]
    assert "asymmetric" in next(p for p in space.parameters if p.name == "loss").values
