from __future__ import annotations

import numpy as np
import pytest

from apertune.search.evaluation.advice import advice, position
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

RATE = Parameter("learning_rate", "float", 1e-3, low=1e-4, high=1e-1, sampling="log")
DROPOUT = Parameter("dropout", "float", 0.2, low=0.0, high=0.5, sampling="linear")
OPTIMIZER = Parameter("optimizer", "choice", "adam", values=("adam", "sgd"))
MOMENTUM = Parameter("momentum", "float", 0.9, low=0.0, high=0.99, conditions=(Condition("optimizer", ("sgd",)),))
SPACE = SearchSpace((RATE, DROPOUT, OPTIMIZER, MOMENTUM))


def configurations(rates, optimizers):
    return [
        {"learning_rate": rate, "dropout": 0.25, "optimizer": optimizer}
        for rate, optimizer in zip(rates, optimizers, strict=True)
    ]


def test_a_range_whose_edge_is_best_should_widen():
    """A range is to be widened if the best trials crowd one end of it, on its own scale."""
    best_first = configurations(np.geomspace(9.9e-2, 1e-2, 20), ["adam", "sgd"] * 10)
    assert advice(SPACE, best_first, {}) == [
        "learning_rate: the best trials lie at the upper end of 0.0001 to 0.1 (the best has 0.099); "
        "widen the range upwards."
    ]
    lower = configurations(np.geomspace(1.1e-4, 1e-2, 40), ["adam", "sgd"] * 20)
    assert "lower end" in advice(SPACE, lower, {})[0]


def test_a_choice_that_always_wins_should_be_fixed():
    """A choice is to be fixed if all of the best trials share it and other choices were tried."""
    best_first = configurations([1e-2] * 20, ["adam"] * 10 + ["sgd"] * 10)
    (line,) = advice(SPACE, best_first, {})
    assert (
        line == "optimizer: all of the 5 best trials have adam, although 10 trials tried another value; "
        "fix it with `--fix optimizer=adam`."
    )
    assert advice(SPACE, configurations([1e-2] * 20, ["adam"] * 20), {}) == []


def test_parameters_without_importance_are_named_together():
    """Parameters with next to no importance are named in one sentence, with the values that will do."""
    best_first = configurations([1e-2] * 20, ["adam", "sgd"] * 10)
    importances = {"dropout": 0.004, "learning_rate": 0.7, "optimizer": 0.29}
    (line,) = advice(SPACE, best_first, importances)
    assert line == "Below 2% of the importance each, so that the best trial's values will do: dropout 0.25."
    many = SearchSpace(tuple(Parameter(f"p{n}", "choice", "a", values=("a", "b")) for n in range(9)))
    (line,) = advice(many, [{f"p{n}": "ab"[trial % 2] for n in range(9)} for trial in range(12)], dict.fromkeys(
        (f"p{n}" for n in range(9)), 0.01
    ))  # fmt: skip
    assert line.endswith("will do: p0 a, p1 a, p2 a, p3 a, p4 a and 4 more.")


def test_advice_is_of_the_most_important_parameters():
    """Ranges of the most important parameters come first among those that should change, and no more than six."""
    space = SearchSpace(tuple(Parameter(f"p{n}", "float", 0.5, low=0.0, high=2.0, sampling="linear") for n in range(9)))
    best_first = [{f"p{n}": value for n in range(9)} for value in (*[1.99] * 12, *[0.5] * 3)]
    lines = advice(space, best_first, {"p7": 0.6, "p2": 0.4})
    assert [line.split(":")[0] for line in lines] == ["p7", "p2", "p0", "p1", "p3", "p4"]


def test_a_conditional_parameter_is_judged_where_it_is_active():
    """A parameter that only some trials have is judged by those alone."""
    best_first = [{"learning_rate": 1e-2, "dropout": 0.25, "optimizer": "sgd", "momentum": 0.99}] * 5
    best_first += [{**best_first[0], "momentum": 0.5}] * 3
    best_first += configurations([1e-2] * 10, ["adam"] * 10)
    assert any(line.startswith("momentum: the best trials lie") for line in advice(SPACE, best_first, {}))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        pytest.param(Parameter("shear", "float", 0.0, low=0.0, high=20.0, sampling="linear"), 0.0, id="off"),
        pytest.param(Parameter("restarts", "int", 1, low=1, high=3, sampling="linear"), 1, id="a count of one"),
        pytest.param(Parameter("share", "float", 0.5, low=0.1, high=1.0, sampling="linear"), 1.0, id="a whole share"),
    ],
)
def test_a_range_is_not_widened_beyond_what_there_is(parameter, value):
    """Nothing is less than off or than one, and no share is more than the whole."""
    middle = (parameter.low + parameter.high) / 2
    best_first = [{parameter.name: value}] * 10 + [{parameter.name: type(value)(middle)}] * 10
    assert advice(SearchSpace((parameter,)), best_first, {}) == []


def test_an_end_where_all_were_drawn_is_no_advice():
    """The best trials tell nothing of an end that nearly all trials have, as with a default there."""
    blocks = Parameter("blocks", "int", 2, low=2, high=9, sampling="linear")
    drawn = [{"blocks": 2}] * 18
    assert advice(SearchSpace((blocks,)), [*drawn, {"blocks": 7}, {"blocks": 8}], {}) == []
    (line,) = advice(SearchSpace((blocks,)), [*drawn, {"blocks": 7}, {"blocks": 8}, {"blocks": 9}], {})
    assert line.startswith("blocks: the best trials lie at the lower end")


def test_few_trials_advise_nothing():
    """Fewer than ten complete trials say nothing of a range."""
    assert advice(SPACE, configurations([9e-2] * 9, ["adam"] * 9), {"dropout": 0.0}) == []


@pytest.mark.parametrize(
    ("sampling", "value", "expected"),
    [("linear", 5.5, 0.5), ("log", 10**0.5, 0.5), ("reverse_log", 11 - 10**0.5, 0.5), ("log", 10.0, 1.0)],
)
def test_positions_follow_the_scale(sampling, value, expected):
    """The middle of a range is the middle of its own scale."""
    parameter = Parameter("x", "float", 1.0, low=1.0, high=10.0, sampling=sampling)
    assert position(parameter, value) == pytest.approx(expected)
    assert position(Parameter("y", "int", 3, low=3, high=3), 3) == 0.5
