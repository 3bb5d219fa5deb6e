"""Samplers, which draw the values of each trial: the table that the command, the settings and the docs read.

Reading the table must cost nothing at the command's start, so only a sampler's `make` imports Optuna.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ...errors import MissingExtraError, SettingError
from .options import Option, make_quietly, read_options

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from ...spaces.search_space.parameters import SearchSpace, Values
    from ...spaces.search_space.prior import Prior
    from ...spaces.search_space.shrinking import Ratios


@dataclass(frozen=True)
class Sampler:
    """One way to draw values."""

    summary: str
    """The places that it draws from, in one line."""
    advice: str
    """The occasion to choose it, in one line."""
    make: Callable[..., BaseSampler]
    """Makes Optuna's sampler from `seed`, `prior` where `uses_prior`, and the options, all by name."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """The options it takes, by name."""
    uses_prior: bool = False
    """True if it draws by what is believed beforehand."""
    package: str | None = None
    """Import name of the optional package it needs, which the extra of the sampler's name installs."""
    several_objectives: bool = True
    """False if it can search for one objective only."""
    endless_ranges: bool = True
    """False if it can draw only from a finite list of values."""


def _make_guided(
    seed: int | None,
    prior: Prior,
    n_startup_trials: int,
    again: float,
    tpe_patience: float,
    n_ei_candidates: int,
) -> BaseSampler:
    from .guided import GuidedSampler, standard_tpe

    return GuidedSampler(
        prior,
        seed,
        standard_tpe(seed, 0, n_ei_candidates),
        n_startup_trials=n_startup_trials,
        again=again,
        tpe_patience=tpe_patience,
    )


def _make_tpe(seed: int | None, prior: Prior, n_startup_trials: int, n_ei_candidates: int) -> BaseSampler:
    from .guided import GuidedSampler, standard_tpe

    if prior.strength == "none":
        return standard_tpe(seed, n_startup_trials, n_ei_candidates)
    tpe = standard_tpe(seed, 0, n_ei_candidates)
    return GuidedSampler(prior, seed, tpe, n_startup_trials=n_startup_trials)


def _make_random(seed: int | None, prior: Prior) -> BaseSampler:
    import optuna

    from .guided import GuidedSampler

    if prior.strength == "none":
        return optuna.samplers.RandomSampler(seed=seed)
    return GuidedSampler(prior, seed, None, n_startup_trials=0)


def _make_grid(seed: int | None) -> BaseSampler:
    from .exhaustive import ExhaustiveSampler

    return ExhaustiveSampler(seed)


def _make_qmc(seed: int | None) -> BaseSampler:
    import optuna

    return optuna.samplers.QMCSampler(scramble=True, seed=seed, warn_independent_sampling=False)


def _make_gp(seed: int | None, n_startup_trials: int) -> BaseSampler:
    import optuna

    return optuna.samplers.GPSampler(seed=seed, n_startup_trials=n_startup_trials, warn_independent_sampling=False)


def _make_cmaes(seed: int | None, n_startup_trials: int) -> BaseSampler:
    import optuna

    return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=n_startup_trials, warn_independent_sampling=False)


def _make_nsga2(seed: int | None, population_size: int, crossover_prob: float, swapping_prob: float) -> BaseSampler:
    import optuna

    return optuna.samplers.NSGAIISampler(
        seed=seed, population_size=population_size, crossover_prob=crossover_prob, swapping_prob=swapping_prob
    )


# Each candidate is compared with every trial, so more than the bound only costs time.
_EI_CANDIDATES = Option(24, "Candidates per parameter, the best of which is taken", least=1, most=10_000)

SAMPLERS: dict[str, Sampler] = {
    "guided": Sampler(
        summary="By `--prior` at first, then from the neighbourhood of the best trials and by TPE in turn",
        advice="The default; take it unless you have a reason not to",
        make=_make_guided,
        options={
            "n_startup_trials": Option(5, "Ended trials before anything but the prior is asked"),
            "again": Option(0.05, "Share of later draws from the prior", most=1),
            "tpe_patience": Option(
                2.0, "Trials per parameter after which TPE makes half of the later draws", most=1000
            ),
            "n_ei_candidates": _EI_CANDIDATES,
        },
        uses_prior=True,
    ),
    "tpe": Sampler(
        summary="By `--prior` at first, then near good trials; conditional parameters are modelled together with "
        "their branch",
        advice="Hundreds of trials; with `--prior none` to compare with Optuna's own",
        make=_make_tpe,
        options={
            "n_startup_trials": Option(10, "Trials that are drawn from the prior first"),
            "n_ei_candidates": _EI_CANDIDATES,
        },
        uses_prior=True,
    ),
    "random": Sampler(
        summary="By `--prior`; with `--prior none` anywhere in the space",
        advice="A baseline; with `--prior none` to learn which parameters matter",
        make=_make_random,
        uses_prior=True,
    ),
    "qmc": Sampler(
        summary="A Sobol sequence, spread more evenly than chance",
        advice="A space with few conditions",
        make=_make_qmc,
    ),
    "grid": Sampler(
        summary="Every configuration once, then the search ends",
        advice="A handful of choices; narrow numbers to lists first",
        make=_make_grid,
        endless_ranges=False,
    ),
    "nsga2": Sampler(
        summary="By crossing good trials",
        advice="Several objectives and hundreds of trials",
        make=_make_nsga2,
        options={
            "population_size": Option(50, "Trials per generation", least=2),
            "crossover_prob": Option(0.9, "Probability that a trial has two parents rather than one", most=1),
            "swapping_prob": Option(0.5, "Probability that two parents swap a parameter", most=1),
        },
    ),
    "gp": Sampler(
        summary="By a Gaussian process",
        advice="Few, expensive trials of few parameters",
        make=_make_gp,
        options={"n_startup_trials": Option(10, "Trials that are drawn at random first")},
        package="torch",
    ),
    "cmaes": Sampler(
        summary="From a normal distribution that adapts to good trials",
        advice="Many trials of nothing but numbers",
        make=_make_cmaes,
        options={"n_startup_trials": Option(1, "Trials that are drawn at random first")},
        package="cmaes",
        several_objectives=False,
    ),
}

SAMPLER_NAMES = tuple(sorted(SAMPLERS))


def make_sampler(
    name: str,
    seed: int | None,
    options: Mapping[str, str] | None = None,
    prior: Prior | None = None,
    measured: Sequence[tuple[Values, Ratios]] = (),
) -> BaseSampler:
    """Makes a sampler of `SAMPLERS`.

    Args:
        name: Its name in the table.
        seed: Seed of its draws; None draws a fresh one.
        options: The user's text, by name of the option.
        prior: What is believed of the space; None to believe nothing, as where only the options are to be checked.
        measured: Configurations with their costs divided by the limits on them; a sampler that draws from a prior
            avoids others that are likely to break them.

    Raises:
        KeyError: For a name that is not in the table.
        UnknownNameError: For an option that the sampler does not have.
        SettingError: For a value that cannot be read or is out of bounds.
        MissingExtraError: Where the package that the sampler needs is not installed.
    """
    whose, sampler = f"--sampler {name}", SAMPLERS[name]
    values = read_options(whose, sampler.options, options or {})
    if sampler.package is not None and importlib.util.find_spec(sampler.package) is None:
        raise MissingExtraError(whose, name)
    if sampler.uses_prior:
        values["prior"] = prior or _no_prior()
    made = make_quietly(whose, partial(sampler.make, seed=seed, **values))
    if measured and prior is not None and sampler.uses_prior:
        from .guided import GuidedSampler

        if isinstance(made, GuidedSampler):
            made.learn_costs(measured)
    return made


def _no_prior() -> Prior:
    from ...spaces.search_space.parameters import SearchSpace
    from ...spaces.search_space.prior import Prior

    return Prior(SearchSpace(()), {}, "none")


def check_sampler(name: str, space: SearchSpace, objectives: int) -> None:
    """Raises SettingError when a sampler cannot draw from this space, or for that many objectives."""
    sampler = SAMPLERS[name]
    if objectives > 1 and not sampler.several_objectives:
        raise SettingError(f"--sampler {name} knows one objective only; take tpe or nsga2 for several")
    endless = [] if sampler.endless_ranges else [each.key for each in space.parameters if each.options is None]
    if endless:
        raise SettingError(
            f"--sampler {name} tries every value, but these parameters have no finite list of values: "
            f"{', '.join(endless[:5])}{' and more' if len(endless) > 5 else ''}; give each one, such as "
            f"--narrow {endless[0].split('@')[0]}=A,B,C"
        )
