"""Configurations brought within limits, and the costs of others: networks are built and measured, none is trained.

Imported in workers only, since it imports Keras.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import keras

from ...datasets.base import TrainingView
from ...spaces.base import Space
from ...spaces.search_space.discovery import hyperparameters
from ...spaces.search_space.parameters import SearchSpace, Values
from ...spaces.search_space.shrinking import Ratios, Shrinking, SpentError
from ..messages import Discovered, LimitsTask
from ..models.averaged_views import answering_network
from .network_cost import measure_cost

logger = logging.getLogger(__name__)

# The user waits. Of processor time, so that other work on the machine does not change what is found. Most questions
# take a few seconds; those on latency and on large networks may take all.
MOST_SECONDS = 15.0


class Meter:
    """Measures configurations until the time is up.

    Args:
        space: The space, bound to the data.
        search_space: The space as the study has it.
        image_shape: (height, width, channels).
        limits: The most of each cost.
    """

    def __init__(
        self, space: Space, search_space: SearchSpace, image_shape: tuple[int, int, int], limits: Mapping[str, float]
    ) -> None:
        self._space = space
        self._search_space = search_space
        self._image_shape = image_shape
        self._limits = limits
        self._until = time.process_time() + MOST_SECONDS
        self._latencies: dict[tuple[float, float | None], float] = {}

    def ratios(self, values: Values) -> Ratios | None:
        """Returns costs divided by their limits; None for a configuration that cannot be built or counted.

        Raises:
            SpentError: The time is up.
        """
        if time.process_time() > self._until:
            raise SpentError
        try:
            cost = self._cost(values)
        except Exception as error:
            logger.info("a configuration cannot be measured: %s", error)
            return None
        finally:
            keras.utils.clear_session(free_memory=False)
        if self._limits.keys() - cost.keys():
            return None
        return {name: cost[name] / limit for name, limit in self._limits.items()}

    def _cost(self, values: Values) -> dict[str, float]:
        hp = hyperparameters(self._search_space, values)
        cost = measure_cost(answering_network(self._space.outline(hp)), self._image_shape, latency=False)
        if "latency_ms" in self._limits:
            # Networks of equal size and work are taken to be equally fast, since noise must not tell them apart.
            key = cost["parameters"], cost.get("flops")
            if key not in self._latencies:
                candidate = self._space.candidate(hp, epochs=1, seed=0)
                timed = measure_cost(answering_network(candidate), self._image_shape, latency=True)
                self._latencies[key] = timed["latency_ms"]
            cost["latency_ms"] = self._latencies[key]
        return cost


def bring_within(space: Space, view: TrainingView, task: LimitsTask) -> Discovered:
    """Returns the configurations of a task, shrunk or measured; those whose turn does not come in time are left out."""
    meter = Meter(space, task.search_space, view.image_shape, task.limits)
    shrinking = Shrinking(task.search_space, meter.ratios)
    shrunk = tuple(shrinking.shrunk(values) for values in task.to_shrink)
    measured = []
    for values in task.to_measure:
        try:
            ratios = meter.ratios(values)
        except SpentError:
            break
        if ratios is not None:
            measured.append((values, ratios))
    return Discovered(task.search_space, shrunk=shrunk, measured=tuple(measured))
