"""A model of costs: learned from measured draws, it tells most that break a limit before any is built."""

from __future__ import annotations

import numpy as np
import optuna

from apertune.search.strategies.cost_model import CostModel
from apertune.search.strategies.guided import GuidedSampler
from apertune.search.strategies.translation import suggest, to_optuna
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Values
from apertune.spaces.search_space.prior import Prior
from apertune.spaces.search_space.shrinking import Ratios

SPACE = SearchSpace(
    (
        Parameter("depth", "int", 4, low=1, high=6, step=1, sampling="linear"),
        Parameter("width", "int", 32, low=8, high=128, step=2, sampling="log"),
        Parameter("rate", "float", 1e-2, low=1e-4, high=1e-1, sampling="log"),
        Parameter("cells", "choice", "full", values=("full", "light")),
    )
)
PRIOR = Prior(SPACE, {})


def ratios(values: Values) -> Ratios:
    kernels = int(values["depth"]) * int(values["width"]) ** 2 / (8 if values["cells"] == "light" else 1)
    return {"parameters": kernels / 900.0}


def draws(count: int, seed: int) -> list[Values]:
    random = np.random.default_rng(seed)
    return [PRIOR.draw(random) for _ in range(count)]


def test_most_draws_are_told_apart() -> None:
    """Nine in ten unseen draws are judged as they are."""
    model = CostModel(SPACE, [(values, ratios(values)) for values in draws(60, 0)])
    unseen = draws(300, 1)
    right = [(model.excess(values) <= 0) == (ratios(values)["parameters"] <= 1) for values in unseen]
    assert 0.1 < np.mean([ratios(values)["parameters"] <= 1 for values in unseen]) < 0.5
    assert np.mean(right) > 0.9


def test_what_was_measured_is_known() -> None:
    """A measured configuration is judged by its own costs, and by nothing where too little was measured."""
    values = SPACE.defaults()
    assert CostModel(SPACE, [(values, {"parameters": 2.0})]).excess(values) == np.log(2.0)
    assert CostModel(SPACE, [(values, {"parameters": 2.0})]).excess({**values, "depth": 1}) == 0.0


def test_the_sampler_draws_again_what_would_break_a_limit() -> None:
    """With costs learned, few trials are infeasible, whatever they are drawn from; the same seed draws the same."""

    def searched(*, knows: bool) -> list[Values]:
        sampler = GuidedSampler(PRIOR, 3, None, n_startup_trials=0)
        if knows:
            sampler.learn_costs([(values, ratios(values)) for values in draws(60, 0)])
        study = optuna.create_study(sampler=sampler)
        found = []
        for _ in range(60):
            trial = study.ask()
            found.append(suggest(trial, SPACE))
            trial.set_constraint("parameters", ratios(found[-1])["parameters"] - 1.0)
            study.tell(trial, 0.0)
        return found

    def broken(found: list[Values]) -> int:
        return sum(ratios(values)["parameters"] > 1.0 for values in found)

    assert broken(searched(knows=False)) > 30
    assert broken(searched(knows=True)) < 9
    assert searched(knows=True) == searched(knows=True)


def test_trials_that_ran_out_of_memory_say_nothing_of_limits() -> None:
    """Their constraint is not one on costs."""
    study = optuna.create_study()
    study.enqueue_trial(to_optuna(SPACE, SPACE.defaults()))
    trial = study.ask()
    suggest(trial, SPACE)
    trial.set_constraint("memory", 1.0)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    model = CostModel(SPACE, [(values, ratios(values)) for values in draws(30, 0)])
    before = model.excess(SPACE.defaults())
    model.learn_of(study.get_trials())
    assert model.excess(SPACE.defaults()) == before
