"""Draws by what is believed beforehand: near defaults, nothing excluded, and as a user believes."""

from __future__ import annotations

import statistics

import keras_tuner
import numpy as np
import pytest

from apertune.errors import SpaceError, UnknownNameError
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace
from apertune.spaces.search_space.prior import Belief, Prior, believe, share_of, value_at

RATE = Parameter("rate", "float", 1e-3, low=1e-5, high=1e-1, sampling="log")
SPACE = SearchSpace(
    (
        RATE,
        Parameter("units", "int", 64, low=16, high=256, step=2, sampling="log"),
        Parameter("late", "float", 0.9, low=0.5, high=0.99, sampling="reverse_log"),
        Parameter("optimizer", "choice", "adam", values=("adam", "sgd", "lion")),
        Parameter(
            "momentum",
            "float",
            0.9,
            low=0.0,
            high=1.0,
            sampling="linear",
            conditions=(Condition("optimizer", ("sgd",)),),
        ),
        Parameter("flag", "boolean", False, states_default=False),
    )
)


def draws(prior: Prior, count: int = 600) -> list[dict[str, object]]:
    random = np.random.default_rng(0)
    return [dict(prior.draw(random)) for _ in range(count)]


@pytest.mark.parametrize("strength", ["none", "weak", "strong"])
def test_every_draw_is_of_the_space(strength: str) -> None:
    """Draws hold exactly the active parameters, each within its range, for each strength."""
    for values in draws(Prior(SPACE, {}, strength)):  # type: ignore[arg-type]  # the strengths
        assert SPACE.contains(values)  # type: ignore[arg-type]  # values of the space


def test_a_stronger_prior_draws_nearer_to_the_default() -> None:
    """The mean distance from the default shrinks from none to weak to strong, and chances of the default grow."""
    distance, chance = [], []
    for strength in ("none", "weak", "strong"):
        drawn = draws(Prior(SPACE, {}, strength))  # type: ignore[arg-type]  # the strengths
        distance.append(
            statistics.fmean(abs(share_of(RATE, one["rate"]) - share_of(RATE, 1e-3)) for one in drawn)  # type: ignore[arg-type]
        )
        chance.append(statistics.fmean(one["optimizer"] == "adam" for one in drawn))
    assert distance[0] > 1.3 * distance[1] > 1.3 * distance[2]
    assert chance[0] < 0.4 < 0.6 < chance[1] < 0.75 < chance[2]


def test_nothing_is_excluded() -> None:
    """Ends of a range and unlikely choices are drawn, too, if seldom."""
    drawn = draws(Prior(SPACE, {"optimizer": Belief(weights={"adam": 20.0})}, "weak"), 3000)
    assert {one["optimizer"] for one in drawn} == {"adam", "sgd", "lion"}
    assert {one["units"] for one in drawn} == {16, 32, 64, 128, 256}
    rates = [float(one["rate"]) for one in drawn]  # type: ignore[arg-type]  # numbers
    assert min(rates) < 2e-5
    assert max(rates) > 5e-2


def test_a_parameter_without_an_opinion_is_drawn_evenly() -> None:
    """The first value is no likelier than others if the code names no default and nobody believes anything."""
    share = statistics.fmean(bool(one["flag"]) for one in draws(Prior(SPACE, {}, "strong")))
    assert 0.4 < share < 0.6


def test_scales_and_values_translate_back() -> None:
    """A value's place on its scale leads back to the value, at both ends and between."""
    for parameter in SPACE.parameters[:3]:
        options = parameter.options
        values = options if options is not None else (parameter.low, parameter.default, parameter.high)
        for value in values:
            assert value_at(parameter, share_of(parameter, value)) == pytest.approx(value)  # type: ignore[arg-type]
        assert share_of(parameter, values[0]) == pytest.approx(0.0)  # type: ignore[arg-type]  # numbers
        assert share_of(parameter, values[-1]) == pytest.approx(1.0)  # type: ignore[arg-type]  # numbers


def test_a_user_can_say_where_good_values_lie() -> None:
    """A believed range draws mostly within it, believed choices come first, and all else stays as it was."""
    believed = believe(SPACE, {}, {"rate": "1e-2..1e-1", "optimizer": "lion"})
    drawn = draws(Prior(SPACE, believed, "weak"))
    assert statistics.fmean(float(one["rate"]) > 5e-3 for one in drawn) > 0.75  # type: ignore[arg-type]
    assert statistics.fmean(one["optimizer"] == "lion" for one in drawn) > 0.7
    assert any(one["optimizer"] == "adam" for one in drawn)
    assert believe(SPACE, believed, {}) == believed


def test_beliefs_about_what_is_not_there_are_refused() -> None:
    """Names and values are checked as those of --narrow are."""
    with pytest.raises(UnknownNameError, match="rte"):
        believe(SPACE, {}, {"rte": "1..2"})
    with pytest.raises(SpaceError, match=r"rate takes .*, not 1\.\.2"):
        believe(SPACE, {}, {"rate": "1..2"})


def test_defaults_that_a_model_names_are_told_from_those_it_does_not() -> None:
    """Discovery notes which parameters were declared without a default, in each way of passing one."""
    from apertune.spaces.search_space.discovery import discover

    class Bound:
        declares_all = True

        def declarations(self) -> tuple[object, ...]:
            return (self.declare,)

        def without_effect(self, parameters: object) -> list[object]:
            return []

        def declare(self, hp: keras_tuner.HyperParameters) -> None:
            hp.Float("named", 0.0, 1.0, default=0.0)
            hp.Int("placed", 0, 9, 1, "linear", 0)
            hp.Float("silent", 0.0, 1.0)
            hp.Choice("first", ["a", "b"])
            hp.Choice("chosen", ["a", "b"], default="a")

    space = discover(Bound())  # type: ignore[arg-type]  # all that discovery asks for
    stated = {parameter.name: parameter.states_default for parameter in space.parameters}
    assert stated == {"named": True, "placed": True, "silent": False, "first": False, "chosen": True}
    assert SearchSpace.from_json(space.to_json()) == space
    assert "states_default" not in SPACE.parameters[0].name + SearchSpace((RATE,)).to_json()
