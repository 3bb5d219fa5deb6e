"""Hyperparameters that plain Python branches hide, found and put under their conditions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras_tuner
import pytest

from apertune import spaces
from apertune.errors import SpaceError
from apertune.spaces.search_space import exploration
from apertune.spaces.search_space.discovery import check_asked
from apertune.spaces.search_space.parameters import SearchSpace

Declare = Callable[[keras_tuner.HyperParameters], object]


def discover(declare: Declare) -> SearchSpace:
    """Discovers a space of one declaration, as a user's model is one."""
    return spaces.discover(_space(declare))


def _space(declare: Declare) -> Any:
    return SimpleNamespace(
        declares_all=False, declarations=lambda: (declare,), without_effect=lambda parameters: [], name="declared"
    )


def behind_a_float(hp: keras_tuner.HyperParameters) -> None:
    if hp.Float("rate", 0.0, 0.5, step=0.1) > 0:
        hp.Choice("kind", ["spatial", "plain"])


def behind_the_low_end(hp: keras_tuner.HyperParameters) -> None:
    if hp.Int("depth", 1, 9, default=5) == 1:
        hp.Int("width", 8, 16)


def behind_two_together(hp: keras_tuner.HyperParameters) -> None:
    first, second = hp.Boolean("first"), hp.Choice("second", ["a", "b", "c"])
    if first and second == "c":
        hp.Int("hidden", 1, 3)


def behind_two_numbers(hp: keras_tuner.HyperParameters) -> None:
    if hp.Int("blocks", 1, 3) + hp.Int("heads", 1, 3) == 6:
        hp.Boolean("hidden")


def beside_the_default_branch(hp: keras_tuner.HyperParameters) -> None:
    if hp.Choice("model", ["mlp", "cnn"]) == "mlp":
        for index in range(hp.Int("mlp_layers", 1, 3)):
            hp.Int(f"units_{index}", 8, 32, step=8)
    else:
        for index in range(hp.Int("cnn_layers", 1, 3)):
            hp.Int(f"filters_{index}", 8, 32, step=8)


def behind_a_step(hp: keras_tuner.HyperParameters) -> None:
    if hp.Int("units", 8, 64, step=8, default=16) <= 8:
        hp.Int("second", 8, 16)


def behind_a_log_step(hp: keras_tuner.HyperParameters) -> None:
    if hp.Int("batch", 8, 64, step=2, sampling="log", default=32) < 32:
        hp.Boolean("slow")


def behind_a_band(hp: keras_tuner.HyperParameters) -> None:
    if 5 < hp.Int("layers", 1, 40) < 12:
        hp.Int("seed", 0, 9)


def behind_a_continuous_band(hp: keras_tuner.HyperParameters) -> None:
    if 0.1 < hp.Float("rate", 0.0, 1.0) < 0.3:
        hp.Int("seed", 0, 9)


def behind_three_together(hp: keras_tuner.HyperParameters) -> None:
    n, d, k = hp.Int("n", 1, 3), hp.Boolean("d"), hp.Choice("k", ["a", "b", "c", "d"])
    if n == 2 and d and k == "c":
        hp.Int("deep", 1, 3)


def three_deep(hp: keras_tuner.HyperParameters) -> None:
    if hp.Boolean("one") and hp.Boolean("two") and hp.Boolean("three"):
        hp.Float("hidden", 0.0, 1.0)


@pytest.mark.parametrize(
    ("declare", "keys"),
    [
        (behind_a_float, {"rate", "kind@rate=0.1|0.2|0.3|0.4|0.5"}),
        (behind_a_step, {"units", "second@units=8"}),
        (behind_a_log_step, {"batch", "slow@batch=8|16"}),
        (behind_a_band, {"layers", "seed@layers=6|7|8|9|10|11"}),
        (behind_a_continuous_band, {"rate", "seed"}),
        (behind_three_together, {"n", "d", "k", "deep@n=2&d=True&k=c"}),
        (behind_the_low_end, {"depth", "width@depth=1"}),
        (behind_two_together, {"first", "second", "hidden@first=True&second=c"}),
        (behind_two_numbers, {"blocks", "heads", "hidden@blocks=3&heads=3"}),
        (
            beside_the_default_branch,
            {
                "model", "mlp_layers@model=mlp", "cnn_layers@model=cnn", "units_0@model=mlp", "filters_0@model=cnn",
                "units_1@mlp_layers=2|3", "units_2@mlp_layers=3", "filters_1@cnn_layers=2|3", "filters_2@cnn_layers=3",
            },
        ),
        (three_deep, {"one", "two@one=True", "three@two=True", "hidden@three=True"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_hidden_parameters_are_found_with_their_conditions(declare: Declare, keys: set[str]) -> None:
    """Every parameter is found, and is conditional where all values of what decides are known."""
    assert {parameter.key for parameter in discover(declare).parameters} == keys


@pytest.mark.parametrize(
    "declare",
    [
        behind_a_float,
        behind_a_step,
        behind_a_log_step,
        behind_a_band,
        behind_three_together,
        behind_the_low_end,
        behind_two_together,
        behind_two_numbers,
        beside_the_default_branch,
        three_deep,
    ],
)
def test_a_trial_has_the_values_that_its_build_asks_for(declare: Declare) -> None:
    """Under drawn values, what the code asks for is what is active; a number without steps may leave one to spare."""
    space = discover(declare)
    drawn = spaces.hyperparameters(space, {})
    for seed in range(40):
        values: dict[str, Any] = {}
        for parameter in space.active(values):
            options = parameter.options or (parameter.low, parameter.high)
            values[parameter.name] = options[(seed * 7 + len(values) * 3) % len(options)]  # type: ignore[assignment]
        drawn = spaces.hyperparameters(space, values)
        declare(drawn)
        check_asked(drawn, values, space)
        assert drawn.values == values


def test_a_range_that_depends_on_another_value_is_refused_by_name() -> None:
    """A range that another value bounds is named with both of its forms, for it would be frozen at its first."""

    def declare(hp: keras_tuner.HyperParameters) -> None:
        hp.Int("inner", 1, hp.Int("outer", 2, 6))

    with pytest.raises(SpaceError, match=r"the range of 'inner' depends on other values \(1\.\.2, but also 1\.\.3\)"):
        discover(declare)


def test_a_parameter_that_discovery_did_not_meet_ends_the_trial_by_name() -> None:
    """A trial that asks for a name behind a rare value ends with that name, and never trains in silence."""

    def declare(hp: keras_tuner.HyperParameters) -> None:
        if 0.311 < hp.Float("rate", 0.0, 1.0) < 0.312:
            hp.Boolean("rare")

    space = discover(declare)
    assert [parameter.key for parameter in space.parameters] == ["rate"]
    values: dict[str, Any] = {"rate": 0.3115}
    hp = spaces.hyperparameters(space, values)
    declare(hp)
    with pytest.raises(SpaceError, match="the model asks for 'rare', which discovery did not meet"):
        check_asked(hp, values, space)


def test_a_known_parameter_asked_for_under_other_values_ends_the_trial_by_name() -> None:
    """A condition that holds in all calls of discovery and not in a trial ends that trial, never in silence."""

    def declare(hp: keras_tuner.HyperParameters) -> None:
        wide, rate = hp.Boolean("wide"), hp.Float("rate", 0.0, 1.0)
        if wide or 0.311 < rate < 0.312:
            hp.Boolean("rare")

    space = discover(declare)
    assert {parameter.key for parameter in space.parameters} == {"wide", "rate", "rare@wide=True"}
    values: dict[str, Any] = {"wide": False, "rate": 0.3115}
    hp = spaces.hyperparameters(space, values)
    declare(hp)
    with pytest.raises(SpaceError, match="asks for 'rare', which discovery met under other values only"):
        check_asked(hp, values, space)


def test_a_default_outside_of_a_continuous_range_becomes_its_nearest_end() -> None:
    """KerasTuner takes such a default; the study begins at the end of the range that is nearest to it."""
    space = discover(lambda hp: hp.Float("rate", 1e-4, 1e-2, sampling="log", default=0.1))
    assert space.defaults() == {"rate": 0.01}
    assert spaces.hyperparameters(space, {}).values == {"rate": 0.01}


def test_exploration_ends_at_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A space of any size is called a bounded number of times."""
    calls = 0

    def declare(hp: keras_tuner.HyperParameters) -> None:
        nonlocal calls
        calls += 1
        for index in range(30):
            hp.Choice(f"choice_{index}", list(range(9)))

    monkeypatch.setattr(exploration, "MOST_CALLS", 50)
    assert len(discover(declare).parameters) == 30
    assert calls <= 50 + 20  # those of the walk before it
