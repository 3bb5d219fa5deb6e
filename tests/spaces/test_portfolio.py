"""The portfolio that ships: configurations that fit the space after repair, on small and on large images."""

from __future__ import annotations

import pytest

from apertune import spaces
from apertune.datasets.base import DataSpec
from apertune.search.strategies.translation import repair
from apertune.spaces.portfolio import portfolio_of


@pytest.mark.parametrize("side", [8, 48, 224])
def test_every_configuration_fits_after_repair(side: int) -> None:
    """Each becomes a configuration of the space that differs from the defaults and from the others."""
    spec = DataSpec((side, side, 3), "multiclass", ("a", "b", "c"), (400, 400, 400), 1200)
    space = spaces.discover(spaces.load("convnet", spec))
    fitted = [repair(values, space)[0] for values in portfolio_of("convnet")]
    assert all(space.contains(values) for values in fitted)
    assert 8 <= len(fitted) <= 16
    assert len({str(values) for values in [space.defaults(), *fitted]}) == len(fitted) + 1


def test_a_space_of_the_users_own_has_no_portfolio() -> None:
    """Only spaces that ship were recorded."""
    assert portfolio_of("module:build") == ()
