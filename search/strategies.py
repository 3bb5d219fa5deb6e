"""How values are drawn and weak trials ended: Optuna's samplers and pruners by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler


def make_sampler(name: str, seed: int | None) -> BaseSampler:
    """Raises KeyError for a name not in `SAMPLERS`."""
    with warnings.catch_warnings():
        # `group` is marked experimental; it is what models conditional parameters jointly.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return SAMPLERS[name](seed)


SAMPLERS: dict[str, Callable[[int | None], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(multivariate=True, group=True, seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "qmc": lambda seed: optuna.samplers.QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False),
}


def make_pruner(name: str, epochs: int) -> BasePruner:
    """A pruner for trials of so many epochs. Raises KeyError for a name not in `PRUNERS`."""
    return PRUNERS[name](epochs)


PRUNERS: dict[str, Callable[[int], BasePruner]] = {
    "hyperband": lambda epochs: optuna.pruners.HyperbandPruner(
        min_resource=1, max_resource=max(1, epochs), reduction_factor=3
    ),
    "successive-halving": lambda epochs: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "median": lambda epochs: optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=max(1, epochs // 5)),
    "percentile": lambda epochs: optuna.pruners.PercentilePruner(
        25.0, n_startup_trials=5, n_warmup_steps=max(1, epochs // 5)
    ),
    "none": lambda epochs: optuna.pruners.NopPruner(),
}
