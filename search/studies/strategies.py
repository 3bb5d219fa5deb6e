"""How values are drawn and weak trials ended: Optuna's samplers and pruners by name, with their settings."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from ...errors import MissingExtraError, SettingError, UnknownNameError
from ...spaces.search_space.parameters import SearchSpace

# Larger whole numbers change nothing in a search, and some of them Optuna cannot compute with.
LARGEST = 1_000_000


@dataclass(frozen=True)
class Option:
    """A number that a sampler or pruner takes. default: of the option's type. least, most: allowed, too."""

    default: float | int
    least: float = 0
    most: float = LARGEST


@dataclass(frozen=True)
class Strategy:
    """A sampler or pruner. make: from a seed (or epochs) and options. options: by name."""

    make: Callable[..., Any]
    options: Mapping[str, Option]


def make_sampler(name: str, seed: int | None, options: Mapping[str, str] | None = None) -> BaseSampler:
    """options: as the user wrote them. Raises KeyError for a name not in `SAMPLERS`, UnknownNameError and SettingError
    for options it does not have, cannot read or that are out of range, MissingExtraError without its library."""
    whose, strategy = f"--sampler {name}", SAMPLERS[name]
    given = _read_options(whose, strategy.options, options or {})
    if name in _LIBRARIES and importlib.util.find_spec(_LIBRARIES[name]) is None:
        raise MissingExtraError(whose, name)
    sampler: BaseSampler = _made(whose, partial(strategy.make, seed=seed, **given))
    return sampler


def make_pruner(name: str, epochs: int, options: Mapping[str, str] | None = None) -> BasePruner:
    """A pruner for trials of so many epochs. Raises as `make_sampler` does, and SettingError for options with which it
    would never judge a trial."""
    whose, strategy = f"--pruner {name}", PRUNERS[name]
    given = _read_options(whose, strategy.options, options or {})
    if "min_resource" in given:
        _check_first_rung(whose, max(1, epochs), **given)
    pruner: BasePruner = _made(whose, partial(strategy.make, epochs, **given))
    return pruner


def _made(whose: str, make: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        # `group` of TPE is marked experimental, as some samplers are; it models conditional parameters jointly.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            return make()
        except ValueError as error:
            raise SettingError(f"{whose}: {error}") from None


def check_sampler(name: str, space: SearchSpace, objectives: int) -> None:
    """Raises SettingError when a sampler cannot draw from this space or for so many objectives."""
    if name == "cmaes" and objectives > 1:
        raise SettingError("--sampler cmaes knows one objective only; take tpe or nsga2 for several")
    endless = [parameter.key for parameter in space.parameters if parameter.options is None]
    if name == "grid" and endless:
        raise SettingError(
            f"--sampler grid tries every value, and these have no end of them: {', '.join(endless[:5])}"
            f"{' and more' if len(endless) > 5 else ''}; name some with --narrow {endless[0].split('@')[0]}=A,B,C"
        )


class ExhaustiveSampler(BaseSampler):
    """Optuna's exhaustive sampler, which asks the study to stop at the end of the grid, where nobody asked for it:
    the study notices by itself that every configuration was tried."""

    def __init__(self, seed: int | None) -> None:
        self._inner = optuna.samplers.BruteForceSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        pass


# The extra that brings a sampler's library is called as the sampler is.
_LIBRARIES = {"cmaes": "cmaes", "gp": "torch"}

SAMPLERS: dict[str, Strategy] = {
    "tpe": Strategy(
        lambda seed, **given: TPESampler(multivariate=True, group=True, seed=seed, **given),
        # So many values are drawn for each parameter, and each is compared with every trial.
        {"n_startup_trials": Option(10), "n_ei_candidates": Option(24, 1, 10_000)},
    ),
    "random": Strategy(lambda seed: RandomSampler(seed=seed), {}),
    "grid": Strategy(lambda seed: ExhaustiveSampler(seed), {}),
    "qmc": Strategy(
        lambda seed: optuna.samplers.QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False), {}
    ),
    "gp": Strategy(
        lambda seed, **given: optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False, **given),
        {"n_startup_trials": Option(10)},
    ),
    "cmaes": Strategy(
        lambda seed, **given: optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False, **given),
        {"n_startup_trials": Option(1)},
    ),
    "nsga2": Strategy(
        lambda seed, **given: optuna.samplers.NSGAIISampler(seed=seed, **given),
        {
            "population_size": Option(50, 2),
            "crossover_prob": Option(0.9, 0, 1),
            "swapping_prob": Option(0.5, 0, 1),
        },
    ),
}

PRUNERS: dict[str, Strategy] = {
    "hyperband": Strategy(
        lambda epochs, **given: optuna.pruners.HyperbandPruner(max_resource=max(1, epochs), **given),
        {"min_resource": Option(1, 1), "reduction_factor": Option(3, 2)},
    ),
    "successive-halving": Strategy(
        lambda epochs, **given: optuna.pruners.SuccessiveHalvingPruner(**given),
        {
            "min_resource": Option(1, 1),
            "reduction_factor": Option(3, 2),
            "min_early_stopping_rate": Option(0, 0, 20),
        },
    ),
    "median": Strategy(
        lambda epochs, **given: optuna.pruners.MedianPruner(**_warmed_up(epochs, given)),
        {"n_startup_trials": Option(5), "n_warmup_steps": Option(-1, -1)},
    ),
    "percentile": Strategy(
        lambda epochs, percentile, **given: optuna.pruners.PercentilePruner(percentile, **_warmed_up(epochs, given)),
        {
            "percentile": Option(25.0, 0, 100),
            "n_startup_trials": Option(5),
            "n_warmup_steps": Option(-1, -1),
        },
    ),
    "wilcoxon": Strategy(
        lambda epochs, **given: optuna.pruners.WilcoxonPruner(**given),
        {"p_threshold": Option(0.1, 0, 1), "n_startup_steps": Option(2)},
    ),
    "none": Strategy(lambda epochs: optuna.pruners.NopPruner(), {}),
}


def _warmed_up(epochs: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Fills in the default warm-up, a fifth of the epochs, in place of -1."""
    steps = given["n_warmup_steps"]
    return {**given, "n_warmup_steps": max(1, epochs // 5) if steps < 0 else steps}


def _check_first_rung(
    whose: str, epochs: int, min_resource: int, reduction_factor: int, min_early_stopping_rate: int = 0
) -> None:
    first = min_resource * reduction_factor**min_early_stopping_rate
    if first > epochs:
        raise SettingError(
            f"{whose}: with these options it judges no trial before epoch {first:g}, but --epochs is {epochs}; "
            "give smaller ones, or say --pruner none"
        )


def _read_options(whose: str, options: Mapping[str, Option], given: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {name: option.default for name, option in options.items()}
    for name, text in given.items():
        if name not in options:
            if not options:
                raise SettingError(f"{whose} has no options, but got {name}")
            raise UnknownNameError(f"option of {whose}", name, options)
        # In a call from Python it may be a number after all.
        values[name] = _read_option(f"{whose}: {name}", options[name], str(text))
    return values


def _read_option(what: str, option: Option, text: str) -> float | int:
    kind = type(option.default)
    got = text if len(text) <= 30 else f"{text[:30]}..."
    try:
        value = kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise SettingError(f"{what} must be {wanted}, but got '{got}'") from None
    # Of "not a number", too, this is true.
    if not option.least <= value <= option.most:
        raise SettingError(f"{what} must be from {option.least} to {option.most}, but got '{got}'")
    return value
