"""The table of beliefs: every entry is of a parameter that a shipped space has, with values that it can take."""

from __future__ import annotations

import pytest

from apertune import spaces
from apertune.datasets.base import DataSpec
from apertune.spaces.beliefs import BELIEFS, SHORT_TRAINING, beliefs_about
from apertune.spaces.search_space.prior import share_of


@pytest.fixture(scope="module")
def parameters() -> dict[str, list[spaces.Parameter]]:
    spec = DataSpec((64, 64, 3), "multiclass", ("a", "b", "c"), (400, 400, 400), 1200)
    found: dict[str, list[spaces.Parameter]] = {}
    for name in ("convnet", "residual"):
        for parameter in spaces.discover(spaces.load(name, spec)).parameters:
            found.setdefault(parameter.name, []).append(parameter)
    return found


@pytest.mark.parametrize("name", [*BELIEFS, *SHORT_TRAINING])
def test_every_belief_is_about_something(parameters: dict[str, list[spaces.Parameter]], name: str) -> None:
    """Names exist, and weights are given to values of the parameter alone."""
    belief = {**BELIEFS, **SHORT_TRAINING}[name]
    assert parameters[name]
    assert {*belief.weights} <= {option for parameter in parameters[name] for option in parameter.options or ()}
    for parameter in parameters[name]:
        assert 0.0 <= share_of(parameter, parameter.default) <= 1.0


def test_mixing_waits_for_long_trainings() -> None:
    """Mixed images are unlikely in short trainings, and as likely as any choice in long ones."""
    assert "mixing" in beliefs_about("convnet", 20)
    assert "mixing" not in beliefs_about("convnet", 100)


def test_nothing_is_believed_about_a_space_of_the_users_own() -> None:
    """A name such as `optimizer` means what the user's code makes of it."""
    assert beliefs_about("module:build", 20) == {}
