"""The number of trials a search is to run after one that ended, was stopped or was killed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pretend_study import Bench, train

from apertune.datasets import from_arrays
from apertune.search.engine.planning import Plan, make_plan, prepare
from apertune.search.settings import SearchSettings, make_home
from apertune.search.studies.study import Asked


def planned(bench: Bench, **settings: object) -> Plan:
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1), np.uint8)
    dataset = from_arrays("pretended", images, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))
    chosen = SearchSettings(sampler="random", pruner="none", **settings)  # type: ignore[arg-type]
    home = make_home({}, root=bench.folder / "mlflow")
    return make_plan(dataset, prepare(dataset, chosen, home), chosen, home, bench.study, 0.0)


def test_a_search_that_ended_is_followed_by_a_new_one(tmp_path: Path) -> None:
    """After a search has ended, the same command adds the same number of trials again."""
    bench = Bench(tmp_path)
    bench.run(train, planned(bench, trials=3).target)
    bench.study.note_end()
    bench.reopen()
    assert planned(bench, trials=3).target == 6


@pytest.mark.parametrize("done", [1, 3])
def test_a_search_that_was_cut_short_is_brought_to_its_own_end(tmp_path: Path, done: int) -> None:
    """After a search was stopped or killed, the same command goes on to the number of trials first asked for."""
    bench = Bench(tmp_path)
    assert planned(bench, trials=3).target == 3
    bench.run(train, done)
    bench.reopen()
    assert planned(bench, trials=3).target == 3


def test_other_wishes_begin_a_new_search(tmp_path: Path) -> None:
    """A search with another number of trials does not go on with the one that was cut short."""
    bench = Bench(tmp_path)
    planned(bench, trials=3)
    bench.run(train, 1)
    bench.reopen()
    assert planned(bench, trials=5).target == 6


@pytest.mark.parametrize("seed", [None, 0])
def test_a_trial_keeps_its_seed_over_restarts(tmp_path: Path, seed: int | None) -> None:
    """Without a seed, the study's identity gives one, so that trials of two studies differ."""

    def seed_of(bench: Bench) -> int:
        return planned(bench, seed=seed).make_task(Asked(3, {"rate": 0.5})).seed

    bench = Bench(tmp_path)
    first = seed_of(bench)
    bench.reopen()
    assert seed_of(bench) == first
    (tmp_path / "other").mkdir()
    assert (seed_of(Bench(tmp_path / "other")) == first) == (seed == 0)


def test_folds_are_the_same_for_every_seed(tmp_path: Path) -> None:
    """A study continued with another seed compares its trials on the same folds."""
    bench = Bench(tmp_path, folds=3)
    views = [planned(bench, folds=3, seed=seed).make_task(Asked(0, {"rate": 0.5})).rounds for seed in (0, 1)]
    for ours, theirs in zip(*views, strict=True):
        np.testing.assert_array_equal(ours.validation, theirs.validation)


def test_a_budget_of_epochs_is_of_each_search(tmp_path: Path) -> None:
    """A search that goes on keeps its budget of epochs; a new search has its own."""
    bench = Bench(tmp_path)
    assert planned(bench, trials=9, total_epochs=10).epochs == 10
    bench.run(train, 2)
    trained = bench.study.epochs_trained()
    bench.reopen()
    assert planned(bench, trials=9, total_epochs=10).epochs == 10
    bench.study.note_end()
    assert planned(bench, trials=9, total_epochs=10).epochs == trained + 10
