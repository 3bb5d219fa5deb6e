"""Pruners: which trials they judge, and what is refused since it would have no effect."""

from __future__ import annotations

import pytest

from apertune.errors import SettingError
from apertune.search.settings import SearchSettings
from apertune.search.strategies.pruners import EPOCH_PRUNERS, ROUND_PRUNERS, make_pruner


def test_pruners_are_of_epochs_or_of_rounds() -> None:
    """The paired test and Wilcoxon's judge folds and repeats, the others epochs, and `none` fits either."""
    assert ROUND_PRUNERS == ("none", "paired", "wilcoxon")
    assert EPOCH_PRUNERS == ("chance", "hyperband", "median", "none", "percentile", "successive-halving")


@pytest.mark.parametrize(
    ("name", "options", "first"),
    [
        ("hyperband", {"min_resource": "5"}, 5),
        ("successive-halving", {"min_resource": "5"}, 5),
        ("successive-halving", {"min_early_stopping_rate": "2"}, 18),
        ("successive-halving", {"min_early_stopping_rate": "20", "reduction_factor": "1000000"}, 2 * 10**120),
    ],
)
def test_a_pruner_that_would_judge_no_epoch_is_refused(name: str, options: dict[str, str], first: int) -> None:
    """A pruner whose first judgement comes after the last epoch would have no effect, and is refused."""
    with pytest.raises(SettingError) as refused:
        make_pruner(name, 4, options)
    assert str(refused.value) == (
        f"--pruner {name}: with these options it judges no trial before epoch {first:g}, but --epochs is 4; "
        "give smaller values, or --pruner none"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 1}, "--folds must be at least 2, but got 1"),
        ({"repeats": 2, "pruner": "median"}, "--pruner must be wilcoxon, paired or none, but got median"),
        ({"pruner": "wilcoxon"}, "compares folds or repeats"),
        ({"max_flops": 0.0}, "--max-flops must be more than 0, but got 0.0"),
        ({"total_epochs": 0}, "--total-epochs must be at least 1, but got 0"),
    ],
)
def test_settings_without_effect_are_refused(given: dict[str, object], message: str) -> None:
    """Budgets, folds and limits are checked at the door."""
    with pytest.raises(SettingError, match=message):
        SearchSettings(**given)  # type: ignore[arg-type]
