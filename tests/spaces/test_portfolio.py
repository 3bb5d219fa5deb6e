"""The portfolio that ships: configurations that fit the space after repair, on small and on large images."""

from __future__ import annotations

import pytest

from apertune import spaces
from apertune.datasets.base import DataSpec, Task
from apertune.search.strategies.translation import repair
from apertune.spaces.portfolio import RECORDED, TRANSFERRED, portfolio_of

TASKS: tuple[Task, ...] = ("multiclass", "binary", "multilabel")


def space_for(name: str, side: int, task: Task) -> spaces.SearchSpace:
    spec = DataSpec((side, side, 3), task, ("a", "b", "c")[: 2 if task == "binary" else 3], (400, 400, 400), 1200)
    options = {"weights": "none", "backbone": "mobilenet_v3_small"} if name == "pretrained" else None
    return spaces.discover(spaces.load(name, spec, options=options))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    ("name", "side"), [(RECORDED, 8), (RECORDED, 48), (RECORDED, 224), ("residual", 48), ("pretrained", 48)]
)
def test_every_configuration_fits_after_repair(name: str, side: int, task: Task) -> None:
    """Each becomes a configuration of the space that differs from the defaults and from the others."""
    space = space_for(name, side, task)
    fitted = [repair(values, space)[0] for values in portfolio_of(name, task)]
    assert all(space.contains(values) for values in fitted)
    assert 8 <= len(fitted) <= 16
    assert len({str(values) for values in [space.defaults(), *fitted]}) == len(fitted) + 1


@pytest.mark.parametrize("name", TRANSFERRED)
def test_other_spaces_take_what_means_the_same(name: str) -> None:
    """A transferred configuration leaves the size of the network alone, and keeps rate, optimizer and augmentation."""
    size = {"filters", "blocks", "dense_units", "kernel_size", "convolution", "head", "block_dropout_rate"}
    for task in TASKS:
        recorded, taken = portfolio_of(RECORDED, task), portfolio_of(name, task)
        assert all(not size & values.keys() for values in taken)
        for values in taken:
            assert any(values.items() <= one.items() for one in recorded)
        rates = [values["learning_rate"] for values in recorded if "learning_rate" in values]
        assert [values["learning_rate"] for values in taken if "learning_rate" in values] == rates


def test_several_labels_have_a_portfolio_of_their_own() -> None:
    """It is in another order than that of one class per image, and no other task has one."""
    assert portfolio_of(RECORDED, "multilabel") != portfolio_of(RECORDED)
    assert portfolio_of(RECORDED, "binary") == portfolio_of(RECORDED, "multiclass") == portfolio_of(RECORDED)


def test_a_space_of_the_users_own_has_no_portfolio() -> None:
    """Only spaces that ship were recorded."""
    assert portfolio_of("module:build") == ()
