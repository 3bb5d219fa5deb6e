from __future__ import annotations

from collections.abc import Mapping

import pytest

from apertune.errors import SpaceError, UnknownNameError
from apertune.spaces.search_space.narrowing import narrow
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace


def only(space: SearchSpace, name: str) -> Parameter:
    (parameter,) = (p for p in space.parameters if p.name == name)
    return parameter


@pytest.mark.parametrize(
    ("fixed", "ranges", "name", "options"),
    [
        ({"blocks": "2"}, {}, "blocks", (2,)),
        ({"dropout": "0.30"}, {}, "dropout", (0.3,)),
        ({"rate": "0.001"}, {}, "rate", (0.001,)),
        ({"optimizer": "sgd", "nesterov": "no"}, {}, "nesterov", (False,)),
        ({}, {"blocks": "2..4"}, "blocks", (2, 3, 4)),
        ({}, {"batch_size": "20..130"}, "batch_size", (32, 64, 128)),
        ({}, {"dropout": "0.1..0.3"}, "dropout", (0.1, 0.2, 0.3)),
        ({}, {"kernel": "5..7"}, "kernel", (5, 7)),
        ({}, {"blocks": "1,6"}, "blocks", (1, 6)),
        ({}, {"optimizer": "sgd"}, "optimizer", ("sgd",)),
        ({}, {"rate": "0.001,0.01"}, "rate", (0.001, 0.01)),
    ],
)
def test_a_space_is_narrowed(
    space: SearchSpace, fixed: Mapping[str, str], ranges: Mapping[str, str], name: str, options: tuple[object, ...]
) -> None:
    """Fixed and narrowed parameters take the user's values only, in their own type, and the defaults are among them."""
    narrowed = narrow(space, fixed, ranges)
    assert only(narrowed, name).options == options
    assert [type(option) for option in only(narrowed, name).options or ()] == [type(option) for option in options]
    assert narrowed.contains(narrowed.defaults())
    assert all(space.contains(values) for values in [narrowed.defaults()])


def test_a_continuous_range_is_narrowed(space: SearchSpace) -> None:
    """LOW..HIGH within a continuous range becomes the range, and the default moves into it."""
    rate = only(narrow(space, ranges={"rate": "1e-5..1e-4"}), "rate")
    assert (rate.low, rate.high, rate.default, rate.sampling) == (1e-5, 1e-4, 1e-4, "log")


def test_parameters_that_can_no_longer_be_active_leave(space: SearchSpace) -> None:
    """Fixing the optimizer to adam takes the parameters of sgd out of the space."""
    names = [parameter.name for parameter in narrow(space, {"optimizer": "adam"}).parameters]
    assert "momentum" not in names
    assert "nesterov" not in names


@pytest.mark.parametrize(
    ("fixed", "ranges", "message"),
    [
        ({"blocks": "7"}, {}, "blocks takes 1 to 6, not 7"),
        ({"blocks": "2.5"}, {}, "blocks takes 1 to 6, not 2.5"),
        ({"dropout": "0.33"}, {}, "dropout takes 0 to 0.5, step 0.1, not 0.33"),
        ({"optimizer": "lion"}, {}, "optimizer takes adam, sgd, not lion"),
        ({"rate": "nan"}, {}, "rate takes 1e-05 to 0.01, log, not nan"),
        ({}, {"blocks": "0..3"}, r"blocks takes 1 to 6, not 0\.\.3"),
        ({}, {"blocks": "4..2"}, r"LOW must not exceed HIGH, but got 4\.\.2"),
        ({}, {"optimizer": "a..b"}, r"optimizer takes adam, sgd, not a\.\.b"),
        ({}, {"kernel": "3,4"}, "kernel takes 3, 5, 7, not 4"),
        ({}, {"rate": "0.001..1"}, r"rate takes 1e-05 to 0\.01, log, not 0\.001\.\.1"),
        ({"optimizer": "adam", "momentum": "0.9"}, {}, "'momentum' has no effect: .* optimizer is sgd"),
        ({"blocks": "2"}, {"blocks": "1..2"}, "both fixed and narrowed"),
    ],
)
def test_a_value_off_the_space_is_refused_with_the_range(
    space: SearchSpace, fixed: Mapping[str, str], ranges: Mapping[str, str], message: str
) -> None:
    """A value that does not fit the space is refused with the range that does."""
    with pytest.raises(SpaceError, match=message):
        narrow(space, fixed, ranges)


def test_an_unknown_name_is_answered_by_the_nearest(space: SearchSpace) -> None:
    """A misspelt parameter raises UnknownNameError with a suggestion."""
    with pytest.raises(UnknownNameError, match="did you mean 'momentum'"):
        narrow(space, {"momentun": "0.9"})


def test_a_key_narrows_one_of_several_of_a_name() -> None:
    """A key narrows one of two parameters that share a name in two branches; the name alone narrows both."""
    adam, sgd = (Condition("optimizer", ("adam",)),), (Condition("optimizer", ("sgd",)),)
    space = SearchSpace(
        (
            Parameter("optimizer", "choice", "adam", values=("adam", "sgd")),
            Parameter("lr", "float", 1e-3, low=1e-4, high=1e-2, sampling="log", conditions=adam),
            Parameter("lr", "float", 1e-2, low=1e-3, high=1.0, sampling="log", conditions=sgd),
        )
    )
    narrowed = narrow(space, {"lr@optimizer=sgd": "0.1"})
    assert [p.kind for p in narrowed.parameters] == ["choice", "float", "fixed"]
    with pytest.raises(SpaceError, match=r"lr@optimizer=adam takes 0\.0001 to 0\.01, log, not 0\.1"):
        narrow(space, {"lr": "0.1"})
    assert [p.kind for p in narrow(space, {"lr": "0.005"}).parameters] == ["choice", "fixed", "fixed"]


def test_a_range_of_a_name_is_met_by_each_branch_as_far_as_it_goes() -> None:
    """Each of several parameters of one name takes the part of the range that it has; one that has none is named."""
    adam, sgd = (Condition("optimizer", ("adam",)),), (Condition("optimizer", ("sgd",)),)
    space = SearchSpace(
        (
            Parameter("optimizer", "choice", "adam", values=("adam", "sgd")),
            Parameter("lr", "float", 1e-3, low=1e-4, high=1e-2, sampling="log", conditions=adam),
            Parameter("lr", "float", 1e-2, low=1e-3, high=1.0, sampling="log", conditions=sgd),
        )
    )
    _, first, second = narrow(space, {}, {"lr": "0.0005..0.05"}).parameters
    assert (first.low, first.high) == (0.0005, 0.01)
    assert (second.low, second.high) == (0.001, 0.05)
    _, first, second = narrow(space, {}, {"lr": "0.0001,0.01,0.1"}).parameters
    assert (first.values, second.values) == ((0.0001, 0.01), (0.01, 0.1))
    _, first, second = narrow(space, {}, {"lr": "0.0005..0.05", "lr@optimizer=sgd": "0.5..1"}).parameters
    assert (first.low, second.low) == (0.0005, 0.5)
    with pytest.raises(SpaceError, match=r"lr@optimizer=adam takes 0\.0001 to 0\.01, log, not 0\.1\.\.1"):
        narrow(space, {}, {"lr": "0.1..1"})
    _, second = narrow(space, {"optimizer": "sgd"}, {"lr": "0.1..1"}).parameters
    assert (second.low, second.high) == (0.1, 1.0)
