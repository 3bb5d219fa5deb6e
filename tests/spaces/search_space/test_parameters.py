from __future__ import annotations

from collections.abc import Mapping

import pytest

from apertune.errors import SpaceError, UnknownNameError
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


def only(space: SearchSpace, name: str) -> Parameter:
    (parameter,) = (p for p in space.parameters if p.name == name)
    return parameter


def test_a_space_survives_json() -> None:
    """A space written and read is equal to itself, hash included."""
    again = SearchSpace.from_json(SPACE.to_json())
    assert again == SPACE
    assert again.hash == SPACE.hash


def test_text_that_is_no_space_is_refused() -> None:
    """Reading anything but a written space raises a SpaceError, not a traceback."""
    for text in ("", "{}x", '[{"name": "a"}]', "[1]"):
        with pytest.raises(SpaceError, match="no search space"):
            SearchSpace.from_json(text)


def test_defaults_hold_active_parameters_only() -> None:
    """The default configuration leaves out what its own choices switch off."""
    defaults = SPACE.defaults()
    assert "momentum" not in defaults
    assert SPACE.contains(defaults)
    assert not SPACE.contains({**defaults, "momentum": 0.9})
    assert not SPACE.contains({**defaults, "blocks": 7})
    assert not SPACE.contains({**defaults, "kernel": "3"})


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
    fixed: Mapping[str, str], ranges: Mapping[str, str], name: str, options: tuple[object, ...]
) -> None:
    """Fixed and narrowed parameters take what the user said, of the type they had, and defaults stay within."""
    narrowed = SPACE.narrow(fixed, ranges)
    assert only(narrowed, name).options == options
    assert [type(option) for option in only(narrowed, name).options or ()] == [type(option) for option in options]
    assert narrowed.contains(narrowed.defaults())
    assert all(SPACE.contains(values) for values in [narrowed.defaults()])


def test_a_continuous_range_is_narrowed() -> None:
    """LOW..HIGH within a continuous range becomes the range, and the default moves into it."""
    rate = only(SPACE.narrow(ranges={"rate": "1e-5..1e-4"}), "rate")
    assert (rate.low, rate.high, rate.default, rate.sampling) == (1e-5, 1e-4, 1e-4, "log")


def test_parameters_that_can_no_longer_be_active_leave() -> None:
    """Fixing the optimizer to adam takes the parameters of sgd out of the space."""
    names = [parameter.name for parameter in SPACE.narrow({"optimizer": "adam"}).parameters]
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
    fixed: Mapping[str, str], ranges: Mapping[str, str], message: str
) -> None:
    """Words that do not fit the space are answered by what would fit."""
    with pytest.raises(SpaceError, match=message):
        SPACE.narrow(fixed, ranges)


def test_an_unknown_name_is_answered_by_the_nearest() -> None:
    """A misspelt parameter raises UnknownNameError with a suggestion."""
    with pytest.raises(UnknownNameError, match="did you mean 'momentum'"):
        SPACE.narrow({"momentun": "0.9"})


def test_a_key_narrows_one_of_several_of_a_name() -> None:
    """Where a name stands in two branches, its key picks one, and the name alone both."""
    adam = (Condition("optimizer", ("adam",)),)
    space = SearchSpace(
        (
            SPACE.parameters[3],
            Parameter("lr", "float", 1e-3, low=1e-4, high=1e-2, sampling="log", conditions=adam),
            Parameter("lr", "float", 1e-2, low=1e-3, high=1.0, sampling="log", conditions=SGD),
        )
    )
    narrowed = space.narrow({"lr@optimizer=sgd": "0.1"})
    assert [p.kind for p in narrowed.parameters] == ["choice", "float", "fixed"]
    with pytest.raises(SpaceError, match=r"lr@optimizer=adam takes 0\.0001 to 0\.01, log, not 0\.1"):
        space.narrow({"lr": "0.1"})
    assert [p.kind for p in space.narrow({"lr": "0.005"}).parameters] == ["choice", "fixed", "fixed"]


def test_a_changed_space_says_what_changed() -> None:
    """Two spaces are compared parameter by parameter; equal ones have nothing to say."""
    other = SPACE.narrow({"optimizer": "adam"}, {"blocks": "2..4"})
    assert SPACE.describe_difference(SPACE) == []
    assert SPACE.describe_difference(other) == [
        "momentum@optimizer=sgd: only in the first (0.5 to 0.99)",
        "nesterov@optimizer=sgd: only in the first (True, False)",
        "blocks: int 1 to 6 (default 3) in the first, int 2 to 4 (default 3) in the second",
        "optimizer: choice adam, sgd (default adam) in the first, fixed adam (default adam) in the second",
    ]
    assert SPACE.hash != other.hash


def test_keys_cannot_be_mistaken_for_each_other() -> None:
    """Names and values that look like parts of a key, or like values of another type, are quoted in it."""
    conditions = [
        (Condition("a", ("x|y",)),),
        (Condition("a", ("x", "y")),),
        (Condition("a", ("1",)),),
        (Condition("a", (1,)),),
        (Condition("a", ("x",)), Condition("b", ("y",))),
        (Condition("a", ("x&b=y",)),),
    ]
    keys = {Parameter("n", "boolean", True, conditions=c).key for c in conditions}
    assert len(keys) == len(conditions)


def test_rows_tell_kind_range_condition_and_default() -> None:
    """The table of a space has a line for each parameter, in words."""
    rows = {row[0]: row[1:] for row in SPACE.rows()}
    assert rows["batch_size"] == ("int", "16 to 256, times 2", "", "64")
    assert rows["momentum"] == ("float", "0.5 to 0.99", "optimizer is sgd", "0.9")
