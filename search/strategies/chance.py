"""A pruner that ends a trial once it has little chance of coming among the best.

What a trial may still gain is told by the curves of trials that were trained to their end: by which factor the distance
to the perfect value shrank between an epoch and the end. The logarithms of these factors are taken as normal. Before a
study has curves of its own it goes by those of the recorded data sets of `benchmarks/`, which count as a few trials
and soon give way (a conjugate normal model with unknown mean and variance; Murphy, Machine Learning, 2012, 4.6.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

# Mean and standard deviation of the logarithm of the factor by which the distance to the perfect value shrinks from a
# share of the epochs to the end, on the recorded data sets: made by `benchmarks/replay.py --curves`.
RECORDED_SHARES = (0.067, 0.133, 0.2, 0.267, 0.333, 0.4, 0.467, 0.533, 0.6, 0.667, 0.733, 0.8, 0.867, 0.933)
RECORDED_MEANS = (
    -0.599,
    -0.508,
    -0.438,
    -0.363,
    -0.296,
    -0.236,
    -0.191,
    -0.152,
    -0.118,
    -0.086,
    -0.059,
    -0.039,
    -0.022,
    -0.01,
)
RECORDED_SPREADS = (0.947, 0.809, 0.708, 0.591, 0.49, 0.392, 0.326, 0.269, 0.221, 0.175, 0.135, 0.104, 0.078, 0.041)
# The number of trials that the recorded curves count as, for the mean and for the spread.
MEAN_COUNT, SPREAD_COUNT = 1.0, 4.0
# No value is nearer to perfect than this, so that logarithms stay finite.
LEAST_DISTANCE = 1e-4


# The best tenth is what a trial must have a chance to enter, and at least the second best.
# Promotion trains the best few again, so that the first must not be the only one that was trained to its end.
BEST_SHARE = 0.1
FEWEST_BEST = 2


class ChancePruner(BasePruner):
    """Ends a trial whose chance of coming among the study's best tenth is smaller than a bound.

    Args:
        epochs: Epochs of a whole training.
        perfect: The value that nothing beats; None where there is none, and only curves of the study's own count.
        least_chance: The smallest chance that lets a trial go on.
        n_warmup_steps: Epochs of a trial before it is judged.
        n_startup_trials: Complete trials before the first one is ended.
    """

    def __init__(
        self, epochs: int, perfect: float | None, *, least_chance: float, n_warmup_steps: int, n_startup_trials: int
    ) -> None:
        self._epochs = epochs
        self._perfect = perfect
        self._least_chance = least_chance
        self._n_warmup_steps = n_warmup_steps
        self._n_startup_trials = n_startup_trials

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Returns whether the trial's chance after its latest epoch is too small."""
        step = trial.last_step
        if step is None or step < self._n_warmup_steps or step >= self._epochs:
            return False
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        complete = [one for one in ended if one.state is TrialState.COMPLETE]
        values = [one.value for one in complete if one.value is not None]
        if len(values) < self._n_startup_trials:
            return False
        sign = 1.0 if study.direction == StudyDirection.MAXIMIZE else -1.0
        place = min(max(FEWEST_BEST, math.ceil(BEST_SHARE * len(ended))), len(values)) - 1
        best = sorted((sign * value for value in values), reverse=True)[place]
        whole = [one.intermediate_values for one in complete if one.intermediate_values]
        return self.chance(trial.intermediate_values, step, best, whole, sign) < self._least_chance

    def chance(
        self,
        curve: Mapping[int, float],
        step: int,
        best: float,
        whole: Sequence[Mapping[int, float]],
        sign: float,
    ) -> float:
        """Returns the chance that a trial's value at its end is better than another.

        Args:
            curve: The trial's values by epoch, from 1.
            step: The epoch to judge by.
            best: The value to beat, times `sign`.
            whole: The curves of complete trials.
            sign: 1 to maximize the objective, -1 to minimize it.
        """
        perfect = self._perfect_of(whole, best, sign)
        if perfect is None:
            return 1.0
        now = perfect - _best_until(curve, step, sign)
        wanted = math.log(max(perfect - best, LEAST_DISTANCE) / max(now, LEAST_DISTANCE))
        if wanted >= 0:
            return 1.0
        factors = [
            math.log(
                max(perfect - _best_until(one, max(one), sign), LEAST_DISTANCE)
                / max(perfect - _best_until(one, step, sign), LEAST_DISTANCE)
            )
            for one in whole
            if min(one) <= step < max(one)
        ]
        return _chance_below(wanted, factors, step / self._epochs)

    def _perfect_of(self, whole: Sequence[Mapping[int, float]], best: float, sign: float) -> float | None:
        """Returns the perfect value times `sign`: where there is none, a value as far above the best as it has come."""
        if self._perfect is not None:
            return sign * self._perfect
        worst = min((sign * value for one in whole for value in one.values()), default=best)
        return best + 0.5 * (best - worst) if best > worst else None


def _best_until(curve: Mapping[int, float], step: int, sign: float) -> float:
    return max(sign * value for epoch, value in curve.items() if epoch <= step)


def _chance_below(wanted: float, factors: Sequence[float], share: float) -> float:
    """Returns the chance that the logarithm of a new trial's factor is below a wanted one."""
    # Student's t; `scipy.stats` takes four times as long to import.
    from scipy.special import stdtr

    mean = float(np.interp(share, RECORDED_SHARES, RECORDED_MEANS))
    spread = float(np.interp(share, RECORDED_SHARES, RECORDED_SPREADS))
    count = len(factors)
    own = float(np.mean(factors)) if factors else mean
    weight = MEAN_COUNT + count
    centre = (MEAN_COUNT * mean + count * own) / weight
    squares = sum((factor - own) ** 2 for factor in factors) + MEAN_COUNT * count / weight * (own - mean) ** 2
    freedom = SPREAD_COUNT + count
    scale = math.sqrt((SPREAD_COUNT * spread**2 + squares) / freedom * (1.0 + 1.0 / weight))
    return float(stdtr(freedom, (wanted - centre) / max(scale, 1e-9)))
