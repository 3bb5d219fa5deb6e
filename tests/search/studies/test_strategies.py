"""Samplers and pruners by name: each works on a conditional space, says what it cannot do, and takes settings."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import optuna
import pytest
from pretend_study import CONDITIONAL, EPOCHS, SPACE, Bench, train

from apertune.errors import MissingExtraError, SettingError, UnknownNameError
from apertune.search.engine.planning import check_strategies
from apertune.search.settings import PRUNER_NAMES, SAMPLER_NAMES, SearchSettings
from apertune.search.studies.strategies import PRUNERS, SAMPLERS, check_sampler, make_pruner, make_sampler

EXTRAS = {"cmaes": "cmaes", "gp": "torch"}
OPTIONS = [
    *(("--sampler", name, option) for name, sampler in SAMPLERS.items() for option in sampler.options),
    *(("--pruner", name, option) for name, pruner in PRUNERS.items() for option in pruner.options),
]


def make(flag: str, name: str, option: str, text: str) -> object:
    """The sampler or pruner with one option given."""
    return make_sampler(name, 0, {option: text}) if flag == "--sampler" else make_pruner(name, 27, {option: text})


def test_settings_and_tables_name_the_same() -> None:
    """Every name that the settings allow is in its table, and the other way round."""
    assert set(SAMPLER_NAMES) == set(SAMPLERS)
    assert set(PRUNER_NAMES) == set(PRUNERS)


@pytest.mark.parametrize("name", SAMPLER_NAMES)
def test_every_sampler_draws_from_a_conditional_space(tmp_path: Path, name: str) -> None:
    """Each sampler brings the trials asked for, none twice, on a space with conditions."""
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None:
        with pytest.raises(MissingExtraError, match=rf"uv sync --extra {name} .*pip install '\.\[{name}\]'"):
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
        ("--sampler", "tpe", "n_ei_candidates", "0", "from 1 to 10000"),
        ("--sampler", "gp", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--sampler", "cmaes", "n_startup_trials", "-1", "from 0 to 1000000"),
        ("--sampler", "nsga2", "population_size", "1", "from 2 to 1000000"),
        ("--sampler", "nsga2", "population_size", "2.5", "a whole number"),
        ("--sampler", "nsga2", "crossover_prob", "1.5", "from 0 to 1"),
        ("--sampler", "nsga2", "swapping_prob", "-0.5", "from 0 to 1"),
        ("--pruner", "hyperband", "min_resource", "0", "from 1 to 1000000"),
        ("--pruner", "hyperband", "reduction_factor", "1", "from 2 to 1000000"),
        ("--pruner", "successive-halving", "min_resource", "0", "from 1 to 1000000"),
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
    if name in EXTRAS and importlib.util.find_spec(EXTRAS[name]) is None:
        pytest.skip(f"{EXTRAS[name]} is not installed")
    strategy = (SAMPLERS if flag == "--sampler" else PRUNERS)[name]
    made = make(flag, name, option, f"{strategy.options[option].least:g}")
    sampler = made if flag == "--sampler" else make_sampler("random", 0)
    pruner = made if flag == "--pruner" else make_pruner("none", EPOCHS)
    bench = Bench(tmp_path)
    bench.study.use(sampler, pruner)  # type: ignore[arg-type]  # `make` makes either
    bench.run(train, 8)
    assert len(bench.states()) == 8


@pytest.mark.parametrize(
    ("name", "options", "first"),
    [
        ("hyperband", {"min_resource": "5"}, 5),
        ("successive-halving", {"min_resource": "5"}, 5),
        ("successive-halving", {"min_early_stopping_rate": "2"}, 9),
        ("successive-halving", {"min_early_stopping_rate": "20", "reduction_factor": "1000000"}, 10**120),
    ],
)
def test_a_pruner_that_would_judge_no_epoch_is_refused(name: str, options: dict[str, str], first: int) -> None:
    """Of 4 epochs, a pruner whose first judgement comes later would have no effect."""
    with pytest.raises(SettingError) as refused:
        make_pruner(name, 4, options)
    assert str(refused.value) == (
        f"--pruner {name}: with these options it judges no trial before epoch {first:g}, but --epochs is 4; "
        "give smaller ones, or say --pruner none"
    )


def test_options_that_optuna_refuses_are_setting_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a later Optuna may refuse when a strategy is made is told in its words, in one line."""

    def refuse(**_: object) -> None:
        raise ValueError("no more than 7 trials")

    monkeypatch.setattr(optuna.samplers, "NSGAIISampler", refuse)
    with pytest.raises(SettingError, match=r"^--sampler nsga2: no more than 7 trials$"):
        make_sampler("nsga2", 0)


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"pruner_options": {"reduction_factor": "1"}}, "reduction_factor must be from 2"),
        ({"sampler_options": {"n_ei_candidates": "0"}}, "n_ei_candidates must be from 1"),
        ({"sampler_options": {"n_startup_trials": 2.5}}, "n_startup_trials must be a whole number"),
        ({"pruner": "percentile", "pruner_options": {"percentile": True}}, "percentile must be a number"),
    ],
)
def test_wrong_options_are_found_before_anything_starts(settings: dict[str, object], wrong: str) -> None:
    """What a search checks first refuses them, given as text or, from Python, as values."""
    with pytest.raises(SettingError, match=wrong):
        check_strategies(SearchSettings(**settings))  # type: ignore[arg-type]  # names are given above


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
