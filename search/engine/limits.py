"""Limits on networks, kept before a trial is spent on them: configurations to begin with are made smaller to fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ...datasets.base import TrainingView
from ...spaces.search_space.parameters import SearchSpace, Values
from ...spaces.search_space.prior import Prior
from ...spaces.search_space.shrinking import Ratios, Shrunk, excess
from ...text import shown_number
from ..evaluation.costs import COSTS
from ..executors.base import Executor
from ..messages import DiscoveryTask, LimitsTask, SpaceReference

# Draws whose costs are measured before the first trial, so that later draws can be told to be too costly.
MEASURED_DRAWS = 72


class Limiter:
    """Brings the configurations of one study within its limits; a worker builds and measures their networks.

    Args:
        executor: Where networks are built; no trial runs yet.
        view: The data.
        space: The space's name, and all that a worker needs to find it.
        search_space: The space as the study has it.
        limits: The most that a network may cost, by names of costs; without any, nothing is measured or changed.
        say: Takes lines for a person.
    """

    def __init__(
        self,
        executor: Executor,
        view: TrainingView,
        space: SpaceReference,
        search_space: SearchSpace,
        limits: Mapping[str, float],
        say: Callable[[str], None],
    ) -> None:
        self._executor = executor
        self._view, self._space, self._search_space = view, space, search_space
        self._limits = limits
        self._say = say

    def default(self) -> Values:
        """Returns the default configuration, made smaller if need be, of which a line tells."""
        default = self._search_space.defaults()
        for shrunk in self._shrunk([default]):
            if line := _told(shrunk, self._limits):
                self._say(line)
            return shrunk.values if shrunk.fits else default
        return default

    def fitted(self, configurations: Sequence[Values]) -> list[Values]:
        """Returns configurations, made smaller where need be, in their order, without those that cannot be."""
        if not self._limits:
            return list(configurations)
        return [shrunk.values for shrunk in self._shrunk(configurations) if shrunk.fits]

    def measured(self, prior: Prior, seed: int | None) -> tuple[tuple[Values, Ratios], ...]:
        """Returns draws from a prior, each with its costs divided by their limits; none without limits."""
        if not self._limits:
            return ()
        random = np.random.default_rng(seed)
        draws = tuple(prior.draw(random) for _ in range(MEASURED_DRAWS))
        return self._executor.discover(self._task(to_measure=draws)).measured

    def _shrunk(self, configurations: Sequence[Values]) -> tuple[Shrunk, ...]:
        if not self._limits or not configurations:
            return ()
        return self._executor.discover(self._task(to_shrink=tuple(configurations))).shrunk

    def _task(self, to_shrink: tuple[Values, ...] = (), to_measure: tuple[Values, ...] = ()) -> DiscoveryTask:
        within = LimitsTask(self._search_space, self._limits, to_shrink, to_measure)
        return DiscoveryTask(self._view, self._space, within=within)


def _told(shrunk: Shrunk, limits: Mapping[str, float]) -> str:
    """Returns a line on a default that was made smaller, or could not be; empty for one that fits as it is."""
    if not shrunk.given or not excess(shrunk.given):
        return ""
    broken = [name for name, ratio in shrunk.given.items() if ratio > 1.0]
    if not shrunk.fits:
        flags = " and ".join(f"{_flag(name)} {shown_number(limits[name])}" for name in broken)
        costs = " and ".join(_phrase(name, shrunk.ratios, limits) for name in broken)
        return f"No configuration was found within {flags}; the smallest {costs}."
    costs = " and ".join(
        f"{_phrase(name, shrunk.given, limits)}, over {_flag(name)} {shown_number(limits[name])}" for name in broken
    )
    now = " and ".join(_number(name, shrunk.ratios, limits) for name in broken)
    return f"The default {costs}: the search begins with a smaller one, {now}."


def _flag(name: str) -> str:
    return f"--max-{name.replace('_', '-')}"


def _phrase(name: str, ratios: Ratios, limits: Mapping[str, float]) -> str:
    return COSTS[name].phrase.format(_number(name, ratios, limits))


def _number(name: str, ratios: Ratios, limits: Mapping[str, float]) -> str:
    return shown_number(float(f"{ratios[name] * limits[name]:.9g}"))
