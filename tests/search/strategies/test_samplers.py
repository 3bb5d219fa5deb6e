"""Samplers: each draws from a conditional space, and says what it cannot do."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import optuna
import pytest
from guide import examples
from pretend_study import CONDITIONAL, EPOCHS, SPACE, Bench, train
from programs import REPOSITORY

from apertune.errors import MissingExtraError, SettingError
from apertune.search.strategies import samplers
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import SAMPLERS, check_sampler, make_sampler
from apertune.spaces.search_space.prior import Prior


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_draws_from_a_conditional_space(tmp_path: Path, name: str) -> None:
    """Each sampler brings the trials asked for, none twice, on a space with conditions."""
    package = SAMPLERS[name].package
    if package is not None and importlib.util.find_spec(package) is None:
        with pytest.raises(MissingExtraError, match=rf"uv sync --extra {name} .*pip install '\.\[{name}\]'"):
            make_sampler(name, 0)
        return
    bench = Bench(tmp_path, space=CONDITIONAL)
    prior = Prior(bench.study.search_space, {}, "weak")
    bench.study.use(make_sampler(name, 0, prior=prior), make_pruner("none", EPOCHS))
    bench.run(train, 6)
    assert bench.states() == ["complete"] * 6
    assert len({str(record.params) for record in bench.study.records()}) == 6


def test_a_package_comes_with_the_extra_of_the_samplers_name() -> None:
    """Each sampler that needs a package has an extra of its name that installs it."""
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    for name, sampler in SAMPLERS.items():
        if sampler.package is not None:
            assert f'\n{name} = ["{sampler.package}>=' in project


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


def test_options_that_optuna_refuses_are_setting_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that only Optuna refuses is reported in Optuna's words, in one line."""

    def refuse(**_: object) -> None:
        raise ValueError("no more than 7 trials")

    monkeypatch.setattr(optuna.samplers, "NSGAIISampler", refuse)
    with pytest.raises(SettingError, match=r"^--sampler nsga2: no more than 7 trials$"):
        make_sampler("nsga2", 0)


def test_a_sampler_says_what_it_cannot_draw() -> None:
    """The grid needs an end, and CMA-ES knows one objective."""
    with pytest.raises(SettingError, match="no finite list of values: rate; give each one, such as --narrow rate="):
        check_sampler("grid", SPACE, 1)
    check_sampler("grid", CONDITIONAL, 1)
    with pytest.raises(SettingError, match="cmaes knows one objective only"):
        check_sampler("cmaes", SPACE, 2)


def test_the_example_of_the_documentation_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampler that CONTRIBUTING.md adds to the table is made with its option, and a search draws from it."""
    module: dict[str, Any] = dict(vars(samplers))
    exec(examples("A sampler or pruner")[0], module)
    monkeypatch.setattr(samplers, "SAMPLERS", {**SAMPLERS, **module["SAMPLERS"]})
    made = make_sampler("nsga3", 0, {"population_size": "4"})
    assert type(made) is optuna.samplers.NSGAIIISampler
    assert made.population_size == 4
    bench = Bench(tmp_path, space=CONDITIONAL)
    bench.study.use(made, make_pruner("none", EPOCHS))
    bench.run(train, 6)
    assert bench.states() == ["complete"] * 6
