from __future__ import annotations

from apertune.spaces.search_space.narrowing import narrow
from apertune.spaces.search_space.parameters import SearchSpace
from apertune.spaces.search_space.wording import describe_difference, rows


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
