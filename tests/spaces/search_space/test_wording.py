from __future__ import annotations

from apertune.spaces.search_space.narrowing import narrow
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace
from apertune.spaces.search_space.wording import describe_difference, readable_names, rows


def test_a_changed_space_says_what_changed(space: SearchSpace) -> None:
    """Two spaces are compared parameter by parameter; equal ones have no differences."""
    other = narrow(space, {"optimizer": "adam"}, {"blocks": "2..4"})
    assert describe_difference(space, space) == []
    assert describe_difference(space, other) == [
        "momentum@optimizer=sgd: only in the first (0.5 to 0.99)",
        "nesterov@optimizer=sgd: only in the first (True, False)",
        "blocks: int 1 to 6 (default 3) in the first, int 2 to 4 (default 3) in the second",
        "optimizer: choice adam, sgd (default adam) in the first, fixed adam (default adam) in the second",
    ]
    assert space.hash != other.hash


def test_rows_tell_kind_range_condition_and_default(space: SearchSpace) -> None:
    """The table of a space describes each parameter in words, one per row."""
    by_name = {row[0]: row[1:] for row in rows(space)}
    assert by_name["batch_size"] == ("int", "16 to 256, times 2", "", "64")
    assert by_name["momentum"] == ("float", "0.5 to 0.99", "optimizer is sgd", "0.9")


def rate(*conditions: Condition) -> Parameter:
    return Parameter("rate", "float", 0.1, low=0.01, high=1.0, sampling="log", conditions=conditions)


def test_names_to_show_say_no_more_than_they_must() -> None:
    """A name that one parameter has stands alone; where several share it, values of the condition by which they differ
    follow, and of all conditions where one is not enough."""
    some = tuple("abcdef")
    space = SearchSpace((
        Parameter("optimizer", "choice", "sgd", values=("sgd", *some)),
        Parameter("decay", "boolean", default=False),
        Parameter("momentum", "float", 0.9, low=0.5, high=0.99, sampling="linear",
                  conditions=(Condition("optimizer", ("sgd",)),)),
        rate(Condition("optimizer", ("sgd",))),
        rate(Condition("optimizer", some), Condition("decay", (True,))),
    ))  # fmt: skip
    assert list(readable_names(space).values()) == [
        "optimizer", "decay", "momentum", "rate (sgd)", "rate (a, b, c, d and 2 more)",
    ]  # fmt: skip
    assert list(readable_names(space)) == [parameter.key for parameter in space.parameters]
    both = SearchSpace((
        rate(Condition("optimizer", ("sgd",)), Condition("decay", (True,))),
        rate(Condition("optimizer", ("sgd",)), Condition("decay", (False,))),
        rate(Condition("optimizer", ("a",)), Condition("decay", (True,))),
    ))  # fmt: skip
    assert list(readable_names(both).values()) == [
        "rate (sgd, decay True)", "rate (sgd, decay False)", "rate (a, decay True)",
    ]  # fmt: skip


def test_names_to_show_are_told_apart_whatever_they_are() -> None:
    """Two lists of values that begin alike are both written out, and a name that looks like another one is its key."""
    space = SearchSpace((
        rate(Condition("optimizer", (*"abcd", "e"))),
        rate(Condition("optimizer", (*"abcd", "f"))),
        Parameter("units", "int", 1, low=1, high=2, sampling="linear", conditions=(Condition("kind", ("x",)),)),
        Parameter("units", "int", 1, low=1, high=3, sampling="linear", conditions=(Condition("kind", ("y",)),)),
        Parameter("units (x)", "int", 1, low=1, high=3, sampling="linear"),
    ))  # fmt: skip
    names = readable_names(space)
    assert len(set(names.values())) == 5
    assert "rate (optimizer is a or b or c or d or e)" in names.values()
    assert names["units@kind=x"] == "units@kind=x"
    assert names["units@kind=y"] == "units (y)"
