from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras_tuner
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apertune import spaces
from apertune.errors import SpaceError
from apertune.search.strategies import translation
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

NUMBERS = ["linear", "log", "reverse_log"]


class Declared:
    """A space that only declares, for the bridge has no use for networks."""

    name = "declared"
    declares_all = True

    def __init__(self, declare: Callable[[keras_tuner.HyperParameters], object]) -> None:
        self._declare = declare

    def without_effect(self, parameters: Sequence[Any]) -> list[Any]:
        return []

    def declarations(self) -> tuple[Callable[[keras_tuner.HyperParameters], object], ...]:
        return (self._declare,)


@st.composite
def integers(draw: st.DrawFn) -> dict[str, Any]:
    low = draw(st.integers(1, 50))
    high = low + draw(st.integers(0, 500))
    sampling_kind = draw(st.sampled_from(NUMBERS))
    step = draw(st.none() | st.integers(2, 7))
    return {"kind": "Int", "min_value": low, "max_value": high, "step": step, "sampling": sampling_kind}


@st.composite
def floats(draw: st.DrawFn) -> dict[str, Any]:
    sampling_kind = draw(st.sampled_from(NUMBERS))
    low = draw(st.sampled_from([1e-6, 0.001, 0.1, 0.3, 1.0]))
    high = low * draw(st.sampled_from([1.0, 1.7, 10.0, 1000.0]))
    steps = [0.1, 0.05, 0.7] if sampling_kind == "linear" else [1.5, 2.0, 10.0]
    step = draw(st.none() | st.sampled_from(steps)) if high / low < 100 else None
    return {"kind": "Float", "min_value": low, "max_value": high, "step": step, "sampling": sampling_kind}


CHOICES = st.sampled_from([["a", "b", "c"], ["True", "a|b"], [1, 2, 4], [0.5, 0.25], ["only"], ["x=1", "y&z"]])
KINDS = st.one_of(
    integers(),
    floats(),
    st.builds(lambda values: {"kind": "Choice", "values": values}, CHOICES),
    st.just({"kind": "Boolean"}),
    st.sampled_from([1, 0.5, "text", True]).map(lambda value: {"kind": "Fixed", "value": value}),
)


@st.composite
def declarations(draw: st.DrawFn) -> Callable[[keras_tuner.HyperParameters], dict[str, Any]]:
    """A space with two parents, and children of shared names in their branches, one nested in another."""
    models, gates = draw(CHOICES), draw(CHOICES)
    roots = draw(st.lists(KINDS, max_size=3))
    children = draw(
        st.lists(st.tuples(st.sampled_from(["units", "rate"]), KINDS, KINDS), max_size=3, unique_by=lambda c: c[0])
    )

    def declare(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for index, kind in enumerate(roots):
            seen[f"root_{index}"] = _declare(hp, f"root_{index}", kind)
        seen["model"] = hp.Choice("model", models)
        for model in models:
            with hp.conditional_scope("model", [model]):
                seen[f"gate if {model}"] = hp.Choice("gate", gates)
                for name, kind, nested in children:
                    seen[f"{name} if {model}"] = _declare(hp, name, kind)
                    with hp.conditional_scope("gate", gates[:1]):
                        seen[f"nested {name} if {model}"] = _declare(hp, f"nested_{name}", nested)
        return seen

    return declare


def _declare(hp: keras_tuner.HyperParameters, name: str, kind: dict[str, Any]) -> Any:
    settings_ = {key: value for key, value in kind.items() if key != "kind"}
    return getattr(hp, kind["kind"])(name, **settings_)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@settings(max_examples=40, deadline=None)
@given(declarations())
def test_every_value_drawn_is_one_that_keras_tuner_could_draw(declare: Any) -> None:
    """Values drawn through Optuna for random spaces are active, in range and survive the way back; nothing warns."""
    _check_draws(declare)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=3000, deadline=None)
@given(declarations())
def test_every_value_drawn_of_thousands_of_spaces(declare: Any) -> None:
    """The same holds for three thousand random spaces."""
    _check_draws(declare)


def _check_draws(declare: Any) -> None:
    space = spaces.discover(Declared(declare))  # type: ignore[arg-type]  # all that discovery looks at
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(5):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trial = study.ask()
            values = translation.suggest(trial, space)
        assert space.contains(values)
        assert translation.from_optuna(space, trial.params) == values
        assert translation.from_optuna(space, translation.to_optuna(space, values)) == pytest.approx(values)
        hp = spaces.hyperparameters(space, values)
        answers = {name: answer for name, answer in declare(hp).items() if answer is not None}
        assert hp.values == values
        assert len(answers) == len(values)
    keys = [parameter.key for parameter in space.parameters]
    assert len(keys) == len(set(keys))


@settings(max_examples=100, deadline=None)
@given(st.one_of(integers(), floats()))
def test_a_grid_of_steps_holds_the_values_that_keras_tuner_lists(kind: dict[str, Any]) -> None:
    """A numeric parameter with a step takes exactly the values that KerasTuner's own object takes."""
    hp = keras_tuner.HyperParameters()
    _declare(hp, "x", kind)
    original = hp.space[0]
    (parameter,) = spaces.discover(Declared(lambda hp: _declare(hp, "x", kind))).parameters  # type: ignore[arg-type]
    if original.step is not None and parameter.options is not None and parameter.low != parameter.high:
        expected = [int(value) if parameter.kind == "int" else value for value in original.values]
        # (1.7 - 1.0) // 0.1 is 6 in floating point: KerasTuner then loses the end of its own range.
        assert parameter.options[: len(expected)] == pytest.approx(expected)
        assert all(value <= original.max_value for value in parameter.options[len(expected) :])
    for probability in (0.0, 0.37, 0.999999):
        value = original.prob_to_value(probability)
        # KerasTuner's reverse_log may round to just outside of its own range, such as 10 for 11 to 421.
        if original.min_value <= value <= original.max_value:
            assert parameter.contains(value)


@pytest.mark.parametrize("kind", ["int", "float"])
def test_reverse_log_spreads_as_keras_tuners_does(kind: str) -> None:
    """The share that Optuna draws for a reverse_log parameter is KerasTuner's cumulative probability."""
    kinds = keras_tuner.engine.hyperparameters
    original = (kinds.Int if kind == "int" else kinds.Float)("x", 2, 500, sampling="reverse_log")
    parameter = Parameter("x", kind, 2, low=2, high=500, sampling="reverse_log")  # type: ignore[arg-type]
    for share in (0.0, 0.2, 0.5, 0.93):
        (value,) = translation.from_optuna(SearchSpace((parameter,)), {"x": share}).values()
        assert value == pytest.approx(original.prob_to_value(share))


def test_numbers_of_one_name_in_two_branches_never_share_a_distribution() -> None:
    """A learning rate of adam and one of sgd are two parameters to Optuna, each with its own range."""
    space = SearchSpace(
        (
            Parameter("optimizer", "choice", "adam", values=("adam", "sgd")),
            _rate("adam", 1e-4, 1e-3),
            _rate("sgd", 0.1, 1.0),
        )
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(30):
        values = translation.suggest(study.ask(), space)
        assert (values["learning_rate"] >= 0.1) == (values["optimizer"] == "sgd")  # type: ignore[operator]


def _rate(optimizer: str, low: float, high: float) -> Parameter:
    condition = Condition("optimizer", (optimizer,))
    return Parameter("learning_rate", "float", low, low=low, high=high, sampling="log", conditions=(condition,))


def test_defaults_can_be_enqueued_and_come_back() -> None:
    """An enqueued configuration is what the next trial is given, and Optuna warns of nothing."""
    space = SearchSpace((*_grid(), _rate_free()))
    study = optuna.create_study()
    study.enqueue_trial(translation.to_optuna(space, space.defaults()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert translation.suggest(study.ask(), space) == space.defaults()


def _grid() -> tuple[Parameter, ...]:
    return (
        Parameter("batch_size", "int", 64, low=16, high=250, step=2, sampling="log"),
        Parameter("rate", "float", 0.3, low=0.1, high=0.35, step=0.1, sampling="linear"),
        Parameter("width", "int", 5, low=5, high=12, step=3, sampling="linear"),
    )


def _rate_free() -> Parameter:
    return Parameter("decay", "float", 0.9, low=0.1, high=1.0, sampling="reverse_log")


def test_missing_unknown_and_impossible_values_are_refused() -> None:
    """Values for Optuna must be those of the active parameters, each in its range; the message names the culprit."""
    space = SearchSpace(_grid())
    good = space.defaults()
    for bad, message in [
        ({**good, "rate": 0.33}, "rate cannot be 0.33"),
        ({**good, "momentum": 0.9}, "no active parameter of this search space is called momentum"),
        ({"rate": 0.3}, "a value for batch_size is missing"),
    ]:
        with pytest.raises(SpaceError, match=message):
            translation.to_optuna(space, bad)
    with pytest.raises(SpaceError, match="no value for batch_size"):
        translation.from_optuna(space, {})


def test_values_of_another_search_are_repaired() -> None:
    """A warm start clips numbers to the nearest possible, puts defaults for the rest, and says what it changed."""
    space = SearchSpace((*_grid(), Parameter("optimizer", "choice", "adam", values=("adam", "sgd"))))
    values, notes = translation.repair(
        {"batch_size": 300, "rate": 0.3, "width": 6, "optimizer": "lion", "momentum": 0.9}, space
    )
    assert values == {"batch_size": 128, "rate": 0.3, "width": 5, "optimizer": "adam"}
    assert notes == [
        "batch_size: 300 is outside its range, 128 taken",
        "width: 6 is outside its range, 5 taken",
        "optimizer: lion is outside its range, adam taken",
        "momentum: not used here",
    ]
    assert translation.repair({}, space)[0] == space.defaults()
    assert space.contains(translation.repair({"rate": math.nan}, space)[0])


def test_the_last_untried_configuration_is_found() -> None:
    """However large a space of discrete values is, it is exhausted only when all of it was tried."""
    space = SearchSpace(
        (
            Parameter("kind", "choice", "a", values=("a", "b")),
            Parameter("size", "int", 1, low=1, high=40, sampling="linear"),
            Parameter(
                "share",
                "float",
                0.0,
                low=0.0,
                high=1.0,
                step=0.05,
                sampling="linear",
                conditions=(Condition("kind", ("a",)),),
            ),
        )
    )
    configurations = list(translation.every_configuration(space))
    identities = {translation.identity_of(values) for values in configurations}
    assert len(configurations) == len(identities) == 40 * 21 + 40
    last = configurations[777]
    assert translation.draw_untried(space, identities - {translation.identity_of(last)}, seed=0, draws=10) == last
    assert translation.draw_untried(space, identities, seed=0, draws=10) is None
