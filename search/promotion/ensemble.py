"""Ensembles: the choice of networks to average, the test of their gain, and the average as one network.

Source: Caruana et al., "Ensemble Selection from Libraries of Models" (2004).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.base import Labels
from ..evaluation.decisions import Probabilities
from ..evaluation.metrics import Metric
from ..evaluation.significance import SIGNIFICANT, Difference, paired_bootstrap, paired_test

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class EnsembleChoice:
    """The candidates to average."""

    picks: dict[int, int]
    """Number of times that each was picked, by its place; its weight in the average."""

    gain: Difference
    """Gain over the single network, of averages that were selected on the other half of the validation rows."""

    better: bool
    """The gain is real."""


def choose_ensemble(
    metric: Metric, labels: Labels, candidates: Sequence[Probabilities], single: Probabilities, size: int, *, seed: int
) -> EnsembleChoice:
    """Selects on all validation rows, and judges such a selection on rows that it has not seen.

    The rows are halved; each half is answered by the ensemble that the other half selects. On the rows it was
    selected on, any ensemble would seem better than it is.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    unseen = np.empty_like(single)
    for mine, other in (halves, halves[::-1]):
        picks = greedy_selection(metric, labels[other], [answers[other] for answers in candidates], size)
        unseen[mine] = np.mean([candidates[pick][mine] for pick in picks], axis=0)
    gain = paired_bootstrap(metric, labels, single, unseen, seed=seed)
    _, p_value = paired_test(metric, labels, single, unseen, seed=seed)
    better = bool(metric.better(gain.second, gain.first) and p_value < SIGNIFICANT)
    return EnsembleChoice(dict(Counter(greedy_selection(metric, labels, candidates, size))), gain, better)


def greedy_selection(metric: Metric, labels: Labels, candidates: Sequence[Probabilities], size: int) -> list[int]:
    """Picks, `size` times and with replacement, the candidate that brings the average furthest.

    Returns the picks up to the best average on the way, so one candidate alone may be the answer.
    """
    total = np.zeros_like(candidates[0], dtype=np.float64)
    picks: list[int] = []
    scores: list[float] = []
    for count in range(1, size + 1):
        tried = [metric.score(labels, ((total + answers) / count).astype(np.float32)) for answers in candidates]
        best = _best(metric, tried)
        picks.append(best)
        scores.append(tried[best])
        total += candidates[best]
    return picks[: _best(metric, scores) + 1]


def averaged_network(networks: Sequence[keras.Model], weights: Sequence[float]) -> keras.Model:
    """Returns one network that yields the weighted mean of the probabilities of all networks, float32.

    The networks are renamed, since the layers of one network need different names.

    Args:
        networks: Networks of the same input and output shapes.
        weights: Weight of each; their sum is 1.
    """
    import keras

    images = keras.Input(networks[0].input_shape[1:], dtype=networks[0].input_dtype)
    total = None
    for number, (network, weight) in enumerate(zip(networks, weights, strict=True)):
        network.name = f"member_{number}"
        part = keras.ops.cast(network(images), "float32") * weight
        total = part if total is None else total + part
    return keras.Model(images, total, name="ensemble")


def _best(metric: Metric, scores: Sequence[float]) -> int:
    best = 0
    for number, score in enumerate(scores):
        if metric.better(score, scores[best]):
            best = number
    return best
