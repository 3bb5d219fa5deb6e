from __future__ import annotations

import pytest

from apertune.errors import SpaceError
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace


def test_a_space_survives_json(space: SearchSpace) -> None:
    """A space that is written and read again is equal to the first, hash included."""
    again = SearchSpace.from_json(space.to_json())
    assert again == space
    assert again.hash == space.hash


def test_text_that_is_no_space_is_refused() -> None:
    """Reading any other text raises SpaceError."""
    for text in ("", "{}x", '[{"name": "a"}]', "[1]"):
        with pytest.raises(SpaceError, match="must be JSON as `to_json` writes it"):
            SearchSpace.from_json(text)


def test_defaults_hold_active_parameters_only(space: SearchSpace) -> None:
    """The default configuration leaves out what its own choices switch off."""
    defaults = space.defaults()
    assert "momentum" not in defaults
    assert space.contains(defaults)
    assert not space.contains({**defaults, "momentum": 0.9})
    assert not space.contains({**defaults, "blocks": 7})
    assert not space.contains({**defaults, "kernel": "3"})


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
