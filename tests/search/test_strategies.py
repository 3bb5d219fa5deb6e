"""Samplers and pruners by name: each works on a conditional space, says what it cannot do, and takes settings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import optuna
import pytest
from pretend_study import CONDITIONAL, EPOCHS, SPACE, Bench, train

from apertune.errors import MissingExtraError, SettingError, UnknownNameError
from apertune.search.settings import PRUNER_NAMES, SAMPLER_NAMES, SearchSettings
from apertune.search.studies.strategies import PRUNERS, SAMPLERS, check_sampler, make_pruner, make_sampler

EXTRAS = {"cmaes": "cmaes", "gp": "torch"}


def test_settings_and_tables_name_the_same() -> None:
    """Every name that the settings allow is in its table, and the other way round."""
    assert set(SAMPLER_NAMES) == set(SAMPLERS)
    assert set(PRUNER_NAMES) == set(PRUNERS)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_every_sampler_draws_from_a_conditional_space(tmp_path: Path, name: str) -> None:
    """Each sampler brings the trials asked for, none twice, on a space with conditions."""
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None:
        with pytest.raises(MissingExtraError, match=rf"pip install 'apertune\[{name}\]'"):
            make_sampler(name, 0)
        return
    bench = Bench(tmp_path, space=CONDITIONAL)
    bench.study.use(make_sampler(name, 0), make_pruner("none", EPOCHS))
    bench.run(train, 6)
    assert bench.states() == ["complete"] * 6
    assert len({str(record.params) for record in bench.study.records()}) == 6


def test_the_grid_is_searched_to_its_end(tmp_path: Path) -> None:
    """The grid sampler tries every configuration of a conditional space once, then the search ends."""
    bench = Bench(tmp_path, space=CONDITIONAL)
    bench.study.use(make_sampler("grid", 0), make_pruner("none", EPOCHS))
    state = bench.run(train, 100)
    assert (state.finished, state.ended) == (8, "every configuration of the space was tried")


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    """Two searches with one seed propose the same configurations, in order."""
    drawn = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        bench = Bench(tmp_path / name)
        bench.study.use(make_sampler("tpe", 7), make_pruner("none", EPOCHS))
        bench.run(train, 15)
        drawn.append([record.params for record in bench.study.records()])
    assert drawn[0] == drawn[1]


def test_settings_of_a_strategy_reach_it() -> None:
    """Options are read with their types and given to Optuna."""
    pruner = make_pruner("hyperband", 27, {"reduction_factor": "4"})
    assert isinstance(pruner, optuna.pruners.HyperbandPruner)
    assert pruner._reduction_factor == 4
    assert make_pruner("median", 20)._n_warmup_steps == 4  # type: ignore[attr-defined]
    assert make_sampler("nsga2", 0, {"population_size": "8"}).population_size == 8  # type: ignore[attr-defined]


def test_wrong_settings_of_a_strategy_are_refused() -> None:
    """An unknown option lists those there are; a value of the wrong kind says which kind is right."""
    with pytest.raises(UnknownNameError, match=r"unknown option of --pruner hyperband 'factor'.*reduction_factor"):
        make_pruner("hyperband", 9, {"factor": "3"})
    with pytest.raises(SettingError, match="--sampler tpe: n_startup_trials must be a whole number, but got 'few'"):
        make_sampler("tpe", 0, {"n_startup_trials": "few"})
    with pytest.raises(SettingError, match="--pruner none has no options, but got x"):
        make_pruner("none", 9, {"x": "1"})


def test_a_sampler_says_what_it_cannot_draw() -> None:
    """The grid needs an end, and CMA-ES knows one objective."""
    with pytest.raises(SettingError, match="have no end of them: rate; name some with --narrow rate=A,B,C"):
        check_sampler("grid", SPACE, 1)
    check_sampler("grid", CONDITIONAL, 1)
    with pytest.raises(SettingError, match="cmaes knows one objective only"):
        check_sampler("cmaes", SPACE, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folds": 1}, "--folds must be at least 2, but got 1"),
        ({"repeats": 2, "pruner": "median"}, "--pruner must be wilcoxon or none, but got median"),
        ({"pruner": "wilcoxon"}, "compares folds or repeats"),
        ({"max_flops": 0.0}, "--max-flops must be more than 0, but got 0.0"),
        ({"total_epochs": 0}, "--total-epochs must be at least 1, but got 0"),
    ],
)
def test_settings_without_effect_are_refused(given: dict[str, object], message: str) -> None:
    """Budgets, folds and limits are checked at the door."""
    with pytest.raises(SettingError, match=message):
        SearchSettings(**given)  # type: ignore[arg-type]
