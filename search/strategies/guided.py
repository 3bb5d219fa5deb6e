"""A sampler that draws near what is believed beforehand and near what has paid so far, before and beside TPE.

Its proposals come from four sources: the prior, the neighbourhood of the best trials, Optuna's TPE, and now and then
the whole space, so that nothing is excluded. Source of the mixture: Mallik et al., PriorBand, NeurIPS 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ...errors import SpaceError
from ...spaces.search_space.parameters import Parameter, Value, Values
from ...spaces.search_space.prior import Prior, has_scale, near
from ...spaces.search_space.shrinking import Ratios
from .cost_model import CostModel
from .translation import SOURCE, distribution_of, from_optuna, param_of, to_optuna

Source = Literal["space", "prior", "neighbourhood", "tpe"]
# Share of the draws that no belief guides.
EVEN_SHARE = 0.1
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
# Trials among the best that the neighbourhood is drawn around.
MOST_INCUMBENTS = 3
# Share of a configuration's parameters that are drawn anew, and the standard deviation of the new numbers.
REDRAWN_SHARE = 0.2
STEP_WIDTH = 0.15
# Draws for one trial, of which the first that is likely to keep within the limits is taken.
DRAWS = 40


class GuidedSampler(BaseSampler):
    """Proposes whole configurations from a prior, and later from a mixture of sources.

    Args:
        prior: The beliefs, and the space to draw from.
        seed: Seed of the draws; None draws a fresh one.
        tpe: The sampler to hand over to after the start; None to draw from the prior for ever.
        n_startup_trials: Ended trials before other sources than the prior are asked.
        again: Share of the later draws that come from the prior still.
        tpe_patience: Trials per parameter after which TPE makes half of the other proposals; the neighbourhood of the
            best trials makes the rest. TPE learns more slowly where there are more parameters.
    """

    def __init__(
        self,
        prior: Prior,
        seed: int | None,
        tpe: TPESampler | None,
        *,
        n_startup_trials: int,
        again: float = 0.0,
        tpe_patience: float = 0.0,
    ) -> None:
        self._prior = prior
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._tpe = tpe
        self._n_startup_trials = n_startup_trials
        self._again, self._tpe_patience = again, tpe_patience
        self._parameters = {parameter.key: parameter for parameter in prior.space.parameters}
        self._proposal: dict[str, Any] = {}
        self._costs: CostModel | None = None

    def learn_costs(self, measured: Sequence[tuple[Values, Ratios]]) -> None:
        """Takes measured configurations, after which draws that are likely to break a limit are drawn again."""
        self._costs = CostModel(self._prior.space, measured)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Makes the proposal, and returns the distributions of its parameters."""
        self._proposal = {}
        if trial.system_attrs.get("fixed_params"):
            # Such a trial was queued; values of parameters that it lacks are drawn one by one.
            return {}
        random = np.random.default_rng((self._seed, trial.number))
        source, values = self._propose(study, random)
        # Kept with the trial, so that a report can tell which source paid.
        study._storage.set_trial_system_attr(trial._trial_id, SOURCE, source)
        if values is None:
            assert self._tpe is not None
            return self._tpe.infer_relative_search_space(study, trial)
        self._proposal = to_optuna(self._prior.space, values)
        return {key: self._distribution(self._parameters[key]) for key in self._proposal}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the proposal, which TPE makes where no other source did."""
        if self._proposal or self._tpe is None or not search_space:
            return self._proposal
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draws a parameter that the proposal left out from the prior."""
        parameter = self._parameters[param_name]
        random = np.random.default_rng((self._seed, trial.number, len(trial.params)))
        return param_of(parameter, self._prior.draw_value(parameter, random))

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        if self._tpe is not None:
            self._tpe.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        if self._tpe is not None:
            self._tpe.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        if self._tpe is not None:
            self._tpe.reseed_rng()

    def _propose(self, study: Study, random: np.random.Generator) -> tuple[Source, Values | None]:
        """Returns the source of a new trial and its values, which are None to ask TPE."""
        if self._costs is not None:
            self._costs.learn_of(study.get_trials(deepcopy=False))
        place = float(random.random())
        if place < EVEN_SHARE:
            return "space", self._within(lambda: self._prior.draw_evenly(random))
        ended = study.get_trials(deepcopy=False, states=ENDED)
        if self._tpe is None or len(ended) < self._n_startup_trials:
            return "prior", self._within(lambda: self._prior.draw(random))
        place = (place - EVEN_SHARE) / (1.0 - EVEN_SHARE)
        if place < self._again:
            return "prior", self._within(lambda: self._prior.draw(random))
        incumbents = self._incumbents(study, ended)
        if incumbents and random.random() >= self._tpe_share(len(ended), incumbents[0]):
            incumbent = incumbents[int(random.integers(len(incumbents)))]
            return "neighbourhood", self._within(lambda: self._neighbour(incumbent, random))
        return "tpe", None

    def _within(self, draw: Callable[[], Values]) -> Values:
        """Returns the first of some draws that is likely to keep within the limits, or the likeliest of them."""
        if self._costs is None:
            return draw()
        best, least = draw(), math.inf
        for number in range(DRAWS):
            drawn = best if number == 0 else draw()
            broken = self._costs.excess(drawn)
            if broken <= 0.0:
                return drawn
            if broken < least:
                best, least = drawn, broken
        return best

    def _tpe_share(self, ended: int, incumbent: Values) -> float:
        """Returns TPE's share of the proposals, which grows with the trials and shrinks with the parameters."""
        patience = self._tpe_patience * len(incumbent)
        return ended / (ended + patience) if patience else 1.0

    def _incumbents(self, study: Study, ended: Sequence[FrozenTrial]) -> list[Values]:
        """Returns the values of the best complete trials."""
        if len(study.directions) > 1:
            best = study.best_trials
        else:
            sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
            complete = [trial for trial in ended if trial.state is TrialState.COMPLETE and trial.value is not None]
            best = sorted(complete, key=lambda trial: sign * (trial.value or 0.0))[:MOST_INCUMBENTS]
        found = []
        for trial in best:
            try:
                found.append(from_optuna(self._prior.space, trial.params, trial.distributions))
            except SpaceError:
                continue
        return found

    def _neighbour(self, incumbent: Values, random: np.random.Generator) -> Values:
        """Returns a configuration that differs from an incumbent in some parameters, numbers by little."""
        return self._prior.space.configuration(
            lambda parameter: self._neighbouring(parameter, incumbent.get(parameter.name), random)
        )

    def _neighbouring(self, parameter: Parameter, given: Value | None, random: np.random.Generator) -> Value:
        if given is None or not parameter.contains(given):
            return self._prior.draw_value(parameter, random)
        if random.random() >= REDRAWN_SHARE:
            return given
        if has_scale(parameter):
            return near(parameter, given, STEP_WIDTH, random)
        return self._prior.draw_value(parameter, random)

    @staticmethod
    def _distribution(parameter: Parameter) -> BaseDistribution:
        distribution = distribution_of(parameter)
        assert distribution is not None
        return distribution


def standard_tpe(seed: int | None, n_startup_trials: int, n_ei_candidates: int) -> TPESampler:
    """Makes Optuna's TPE, which models the parameters of a branch jointly with the condition that they depend on."""
    return optuna.samplers.TPESampler(
        multivariate=True,
        group=True,
        seed=seed,
        n_startup_trials=n_startup_trials,
        n_ei_candidates=n_ei_candidates,
    )
