"""The strategies that `benchmarks/replay.py` compares: ours, Optuna's, KerasTuner's, Ray Tune's and SMAC3's.

A strategy is a function of a `Bench`, whose `train` answers for a configuration and counts what it costs.
"""

from __future__ import annotations

import contextlib
import io
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState
from recorded_curves import Floats, Pool, Surrogate

from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import make_sampler
from apertune.search.strategies.translation import SOURCE, repair, suggest, to_optuna
from apertune.spaces.beliefs import beliefs_about
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Values
from apertune.spaces.search_space.prior import Prior, Strength

PATIENCE = 5
Strategy = Callable[["Bench"], None]


@dataclass
class Bench:
    """One replayed search."""

    answers: Pool | Surrogate
    seed: int
    trials: int
    portfolio: Sequence[Values] = ()
    """Configurations chosen without this set, best first."""
    taken: set[int] = field(default_factory=set)
    """Recorded configurations that were given before."""
    best: list[float] = field(default_factory=list)
    """The best value after each trial."""
    epochs: list[int] = field(default_factory=list)
    """Epochs spent until then."""
    ended: list[tuple[float, bool]] = field(default_factory=list)
    """The value that each trial has at its end, or would have had, and whether it was ended early."""

    @property
    def space(self) -> SearchSpace:
        return self.answers.set.space

    @property
    def max_epochs(self) -> int:
        return self.answers.set.epochs

    @property
    def is_over(self) -> bool:
        return len(self.best) >= self.trials

    def curve(self, values: Mapping[str, Any], *, even: bool = False) -> Floats:
        return self.answers.curve(values, self.taken, even=even)

    def note(self, value: float | None, epochs: int, whole: float, *, early: bool = False) -> None:
        """Notes the end of a trial.

        Args:
            value: Its value, or None where it was ended early and has no model.
            epochs: Epochs that it took.
            whole: The value that it would have had at its end.
            early: Whether it was ended early.
        """
        before = self.best[-1] if self.best else -math.inf
        self.best.append(max(before, -math.inf if value is None else value))
        self.epochs.append((self.epochs[-1] if self.epochs else 0) + epochs)
        self.ended.append((whole, early))


def with_patience(curve: Floats) -> int:
    """Returns the epochs that a training takes whose patience is `PATIENCE`."""
    best = 0
    for epoch in range(len(curve)):
        if curve[epoch] > curve[best]:
            best = epoch
        if epoch - best >= PATIENCE:
            return epoch + 1
    return len(curve)


def optuna_strategy(
    sampler: Callable[[Bench], optuna.samplers.BaseSampler],
    pruner: Callable[[Bench], optuna.pruners.BasePruner],
    *,
    portfolio: float = 0.0,
    startup: float = math.inf,
) -> Strategy:
    """Returns a strategy of Optuna's ask and tell, which begins with the defaults.

    Args:
        sampler: Makes the sampler.
        pruner: Makes the pruner.
        portfolio: Share of the trials that the portfolio may take, after the defaults.
        startup: Trials that a sampler which does not tell its source draws evenly.
    """

    def search(bench: Bench) -> None:
        study = optuna.create_study(direction="maximize", sampler=sampler(bench), pruner=pruner(bench))
        study.enqueue_trial(to_optuna(bench.space, bench.space.defaults()))
        most = int(portfolio * bench.trials)
        for values in bench.portfolio[:most]:
            study.enqueue_trial(to_optuna(bench.space, repair(values, bench.space)[0]), skip_if_exists=True)
        while not bench.is_over:
            trial = study.ask()
            values = suggest(trial, bench.space)
            attributes = trial.storage.get_trial(trial._trial_id).system_attrs
            source = attributes.get(SOURCE, "space" if trial.number < startup else "tpe")
            _train(bench, study, trial, bench.curve(values, even=source == "space"))

    return search


def _train(bench: Bench, study: optuna.Study, trial: optuna.Trial, curve: Floats) -> None:
    last = with_patience(curve)
    for epoch in range(1, last + 1):
        trial.report(float(curve[epoch - 1]), epoch)
        if epoch < last and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            bench.note(None, epoch, float(curve[:last].max()), early=True)
            return
    value = float(curve[:last].max())
    study.tell(trial, value)
    bench.note(value, last, value)


def asha(bench: Bench) -> None:
    """Runs random search with Ray Tune's ASHA as it comes: a grace of one epoch, and a quarter goes on at each rung.

    The rule is that of `ray.tune.schedulers.async_hyperband._Bracket`, in order of trials, with one bracket.
    """
    random = np.random.default_rng(bench.seed)
    rungs: dict[int, list[float]] = {}
    milestone = 1
    while milestone < bench.max_epochs:
        rungs[milestone] = []
        milestone *= 4
    prior = Prior(bench.space, {}, "none")
    while not bench.is_over:
        values = bench.space.defaults() if not bench.best else prior.draw_evenly(random)
        curve = bench.curve(values, even=True)
        last = with_patience(curve)
        whole = float(curve[:last].max())
        for epoch in range(1, last + 1):
            if epoch not in rungs or epoch == last:
                continue
            known = rungs[epoch]
            cutoff = float(np.percentile(known, 75)) if known else -math.inf
            known.append(float(curve[epoch - 1]))
            if curve[epoch - 1] < cutoff:
                bench.note(None, epoch, whole, early=True)
                break
        else:
            bench.note(whole, last, whole)


def keras_hyperparameters(space: SearchSpace) -> Any:
    """Returns a space as KerasTuner's hyperparameters, whose names are our keys."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    for parameter in space.parameters:
        _declare(hp, parameter, space, list(parameter.conditions))
    return hp


def _declare(hp: Any, parameter: Parameter, space: SearchSpace, conditions: list[Any]) -> None:
    if conditions:
        condition, *rest = conditions
        outer = [one for one in space.parameters if one.name == condition.name]
        with hp.conditional_scope(outer[0].key, list(condition.values)):
            _declare(hp, parameter, space, rest)
        return
    if parameter.kind == "boolean":
        hp.Boolean(parameter.key, default=parameter.default)
    elif parameter.kind in ("choice", "fixed"):
        hp.Choice(parameter.key, list(parameter.values), default=parameter.default, ordered=parameter.ordered or None)
    else:
        low, high = parameter.bounds
        declare = hp.Int if parameter.kind == "int" else hp.Float
        declare(parameter.key, low, high, step=parameter.step, sampling=parameter.sampling, default=parameter.default)


def _values_of(space: SearchSpace, given: Mapping[str, Any]) -> Values:
    return space.configuration(lambda parameter: parameter.nearest(given.get(parameter.key, parameter.default)))


def keras_hyperband(bench: Bench) -> None:
    """Runs KerasTuner's Hyperband as it comes; a configuration that goes on goes on where its training stood."""
    from keras_tuner.oracles import HyperbandOracle

    oracle_search(bench, HyperbandOracle, max_epochs=bench.max_epochs, hyperband_iterations=100)


def keras_bayesian(bench: Bench) -> None:
    """Runs KerasTuner's Bayesian tuner as it comes."""
    from keras_tuner.oracles import BayesianOptimizationOracle

    oracle_search(bench, BayesianOptimizationOracle, max_trials=bench.trials)


def oracle_search(bench: Bench, oracle_class: Any, **settings: Any) -> None:
    """Runs a search by one of KerasTuner's oracles."""
    import keras_tuner

    hp = keras_hyperparameters(bench.space)
    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(),
        # Oracles print every trial.
        contextlib.redirect_stdout(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        oracle = oracle_class(
            objective=keras_tuner.Objective("value", "max"), hyperparameters=hp, seed=bench.seed, **settings
        )
        oracle._set_project_dir(folder, "replay")
        known: dict[str, int] = {}
        curves: dict[str, Floats] = {}
        while not bench.is_over:
            trial = oracle.create_trial("tuner0")
            if trial.status == "STOPPED":
                break
            given = trial.hyperparameters.values
            even = oracle_class.__name__ == "HyperbandOracle" or len(bench.best) < 3
            origin = given.get("tuner/trial_id")
            curve = curves[origin] if origin in curves else bench.curve(_values_of(bench.space, given), even=even)
            curves[trial.trial_id] = curve
            first, until = int(given.get("tuner/initial_epoch", 0)), int(given.get("tuner/epochs", bench.max_epochs))
            last = min(until, with_patience(curve))
            value = float(curve[:last].max())
            oracle.update_trial(trial.trial_id, {"value": value}, step=last)
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
            whole = float(curve[: with_patience(curve)].max())
            _note_round(bench, known, trial, value, max(0, last - first), whole, last)


def _note_round(
    bench: Bench, known: dict[str, int], trial: Any, value: float, epochs: int, whole: float, last: int
) -> None:
    """Notes one training of a configuration; a further training of a known one is no new trial."""
    earlier = trial.hyperparameters.values.get("tuner/trial_id")
    place = known.get(earlier) if earlier else None
    if place is None:
        known[trial.trial_id] = len(bench.best)
        bench.note(value, epochs, whole, early=last < bench.max_epochs)
        return
    known[trial.trial_id] = place
    bench.best[-1] = max(bench.best[-1], value)
    bench.epochs[-1] += epochs


def smac(bench: Bench) -> None:
    """Runs SMAC3's facade for hyperparameter optimisation as it comes, with whole trainings."""
    from ConfigSpace import (
        AndConjunction,
        Categorical,
        ConfigurationSpace,
        EqualsCondition,
        Float,
        InCondition,
        Integer,
    )
    from smac import HyperparameterOptimizationFacade, Scenario

    from apertune.spaces.search_space.prior import has_scale, share_of, value_at

    configuration_space = ConfigurationSpace(seed=bench.seed)
    made: dict[str, Any] = {}
    for parameter in bench.space.parameters:
        options = parameter.options
        if options is not None and len(options) == 1:
            continue
        if options is None:
            one = Float(parameter.key, (0.0, 1.0), default=share_of(parameter, parameter.default))
        elif has_scale(parameter):
            one = Integer(parameter.key, (0, len(options) - 1), default=list(options).index(parameter.default))
        else:
            one = Categorical(parameter.key, list(range(len(options))), default=list(options).index(parameter.default))
        configuration_space.add(one)
        made[parameter.key] = parameter
    for key, parameter in made.items():
        rules: list[Any] = []
        for condition in parameter.conditions:
            outer = next(p for p in bench.space.parameters if p.name == condition.name and p.key in made)
            places = [list(outer.options or ()).index(value) for value in condition.values]
            child, parent = configuration_space[key], configuration_space[outer.key]
            single = len(places) == 1
            rules.append(EqualsCondition(child, parent, places[0]) if single else InCondition(child, parent, places))
        if rules:
            configuration_space.add(rules[0] if len(rules) == 1 else AndConjunction(*rules))

    def values_of(configuration: Any) -> Values:
        values: Values = {}
        for parameter in bench.space.active(values):
            place = configuration.get(parameter.key)
            if place is None:
                values[parameter.name] = parameter.default
            elif parameter.options is None:
                values[parameter.name] = value_at(parameter, float(place))
            else:
                values[parameter.name] = parameter.options[int(place)]
        return values

    def cost(configuration: Any, seed: int = 0) -> float:
        curve = bench.curve(values_of(configuration), even=len(bench.best) < bench.trials // 4)
        last = with_patience(curve)
        bench.note(float(curve[:last].max()), last, float(curve[:last].max()))
        return 1.0 - bench.ended[-1][0]

    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(
            configuration_space,
            deterministic=True,
            n_trials=bench.trials,
            seed=bench.seed,
            output_directory=folder,  # type: ignore[arg-type]  # takes text, too
        )
        first = HyperparameterOptimizationFacade.get_initial_design(
            scenario, additional_configs=[configuration_space.get_default_configuration()]
        )
        HyperparameterOptimizationFacade(
            scenario, cost, initial_design=first, overwrite=True, logging_level=False
        ).optimize()


def guided(
    *,
    sampler: str = "guided",
    prior: Strength = "weak",
    pruner: str = "chance",
    portfolio: float = 1 / 3,
    sampler_options: Mapping[str, str] | None = None,
    pruner_options: Mapping[str, str] | None = None,
) -> Strategy:
    """Returns a strategy of this package."""

    def made_sampler(bench: Bench) -> Any:
        beliefs = beliefs_about("convnet", bench.max_epochs)
        return make_sampler(sampler, bench.seed, sampler_options, Prior(bench.space, beliefs, prior))

    return optuna_strategy(
        made_sampler,
        lambda bench: make_pruner(pruner, bench.max_epochs, pruner_options, perfect=1.0),
        portfolio=portfolio,
        startup=11,
    )


def _tpe(bench: Bench) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=bench.seed)


def _random(bench: Bench) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=bench.seed)


def _none(bench: Bench) -> optuna.pruners.BasePruner:
    return optuna.pruners.NopPruner()


PEERS: dict[str, Strategy] = {
    "random": optuna_strategy(_random, _none),
    "optuna-tpe": optuna_strategy(_tpe, lambda bench: optuna.pruners.MedianPruner(), startup=11),
    "optuna-tpe-whole": optuna_strategy(_tpe, _none, startup=11),
    "kt-hyperband": keras_hyperband,
    "kt-bayesian": keras_bayesian,
    "ray-asha": asha,
    "smac3": smac,
}
OURS: dict[str, Strategy] = {
    "before": guided(
        sampler="tpe", prior="none", pruner="hyperband", portfolio=0.0, pruner_options={"min_resource": "1"}
    ),
    "apertune": guided(),
    "no-portfolio": guided(portfolio=0.0),
    "no-prior": guided(portfolio=0.0, prior="none"),
    "strong-prior": guided(prior="strong"),
    "tpe": guided(sampler="tpe"),
    "whole-trials": guided(pruner="none"),
    "hyperband": guided(pruner="hyperband"),
    "median": guided(pruner="median"),
}
