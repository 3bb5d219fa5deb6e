"""Options of samplers and pruners: read with their types, and refused out of their bounds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import optuna
import pytest
from pretend_study import EPOCHS, SPACE, Bench, train

from apertune.errors import SettingError, UnknownNameError
from apertune.search.engine.planning import check_strategies
from apertune.search.settings import SearchSettings
from apertune.search.strategies.pruners import PRUNERS, make_pruner
from apertune.search.strategies.samplers import SAMPLERS, make_sampler
from apertune.spaces.search_space.prior import Prior

OPTIONS = [
    *(("--sampler", name, option) for name, sampler in SAMPLERS.items() for option in sampler.options),
    *(("--pruner", name, option) for name, pruner in PRUNERS.items() for option in pruner.options),
]


def make(flag: str, name: str, option: str, text: str) -> object:
    """The sampler or pruner with one option given."""
    prior = Prior(SPACE, {}, "weak")
    return (
        make_sampler(name, 0, {option: text}, prior) if flag == "--sampler" else make_pruner(name, 27, {option: text})
    )


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


@pytest.mark.parametrize("text", ["-2", "10000000", "9" * 400, "9" * 5000, "inf", "nan", "few", "True", "0x10", ""])
@pytest.mark.parametrize(("flag", "name", "option"), OPTIONS)
def test_no_option_takes_nonsense(flag: str, name: str, option: str, text: str) -> None:
    """Values of the wrong kind, below or above every range are refused in one line for every option there is."""
    with pytest.raises(SettingError, match=rf"^{flag} {name}: {option} must be .*, but got .*$") as refused:
        make(flag, name, option, text)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("flag", "name", "option", "text", "allowed"),
    [
        ("--sampler", "tpe", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--sampler", "guided", "again", "1.5", "from 0 to 1"),
        ("--pruner", "chance", "least_chance", "1.5", "from 0 to 1"),
        ("--pruner", "chance", "n_startup_trials", "0", "from 1 to 1000000"),
        ("--sampler", "tpe", "n_ei_candidates", "0", "from 1 to 10000"),
        ("--sampler", "gp", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--sampler", "cmaes", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--sampler", "nsga2", "population_size", "1", "from 2 to 1000000"),
        ("--sampler", "nsga2", "population_size", "2.5", "a whole number"),
        ("--sampler", "nsga2", "crossover_prob", "1.5", "from 0 to 1"),
        ("--sampler", "nsga2", "swapping_prob", "-0.5", "from 0 to 1"),
        ("--pruner", "hyperband", "min_resource", "-2", "from -1 to 1000000"),
        ("--pruner", "hyperband", "reduction_factor", "1", "from 2 to 1000000"),
        ("--pruner", "successive-halving", "min_resource", "-2", "from -1 to 1000000"),
        ("--pruner", "successive-halving", "reduction_factor", "1", "from 2 to 1000000"),
        ("--pruner", "successive-halving", "min_early_stopping_rate", "-1", "from 0 to 20"),
        ("--pruner", "median", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--pruner", "percentile", "percentile", "200", "from 0 to 100"),
        ("--pruner", "percentile", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--pruner", "wilcoxon", "p_threshold", "1.1", "from 0 to 1"),
        ("--pruner", "wilcoxon", "n_startup_steps", "-1", "from 0 to 1000000"),
    ],
)
def test_an_option_out_of_range_is_refused(flag: str, name: str, option: str, text: str, allowed: str) -> None:
    """The message says which option is wrong, what would be right, and what was given."""
    with pytest.raises(SettingError) as refused:
        make(flag, name, option, text)
    assert str(refused.value) == f"{flag} {name}: {option} must be {allowed}, but got '{text}'"


@pytest.mark.parametrize(("flag", "name", "option"), OPTIONS)
def test_the_least_of_every_option_works(tmp_path: Path, flag: str, name: str, option: str) -> None:
    """A search with an option at the lower end of its range draws and judges without an error."""
    package = SAMPLERS[name].package if flag == "--sampler" else None
    if package is not None and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    options = SAMPLERS[name].options if flag == "--sampler" else PRUNERS[name].options
    made = make(flag, name, option, f"{options[option].least:g}")
    sampler = made if flag == "--sampler" else make_sampler("random", 0)
    pruner = made if flag == "--pruner" else make_pruner("none", EPOCHS)
    bench = Bench(tmp_path)
    bench.study.use(sampler, pruner)  # type: ignore[arg-type]  # `make` makes either
    bench.run(train, 8)
    assert len(bench.states()) == 8


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"pruner": "hyperband", "pruner_options": {"reduction_factor": "1"}}, "reduction_factor must be from 2"),
        ({"sampler_options": {"n_ei_candidates": "0"}}, "n_ei_candidates must be from 1"),
        ({"sampler_options": {"n_startup_trials": 2.5}}, "n_startup_trials must be a whole number"),
        ({"pruner": "percentile", "pruner_options": {"percentile": True}}, "percentile must be a number"),
    ],
)
def test_wrong_options_are_found_before_anything_starts(settings: dict[str, object], wrong: str) -> None:
    """The first check of a search refuses wrong options, given as text or, from Python, as values."""
    with pytest.raises(SettingError, match=wrong):
        check_strategies(SearchSettings(**settings))  # type: ignore[arg-type]  # names are given above
