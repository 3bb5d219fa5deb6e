"""Class weights against imbalance.

For binary and multiclass tasks a weight multiplies the loss of the class's examples. For a multilabel task it
multiplies the positive term of the label's loss, because an image with several labels has no single class to weigh.

The formulas stand here because `sklearn.utils.class_weight` has only one of the seven (balanced, for one label per
image), takes the labels of all images rather than the counts that a `DataSpec` holds, and refuses a class without
images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import keras_tuner
import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataSpec

Floats = NDArray[np.float64]

BETAS = [0.9, 0.99, 0.999, 0.9999]


@dataclass(frozen=True)
class WeightSettings:
    """A weighting scheme and its setting."""

    name: str = "none"
    """none or a key of `SCHEMES`."""
    beta: float | None = None
    """Only for effective_number: near 0 all classes weigh the same, near 1 they weigh 1 / count; else None."""

    def weights(self, spec: DataSpec) -> NDArray[np.float32] | None:
        """Returns one weight per class, float32 (classes,), or None for no weighting.

        A class without images counts as a class with one image.
        """
        if self.name == "none":
            return None
        counts = np.maximum(np.asarray(spec.class_counts, dtype=np.float64), 1.0)
        scheme = POSITIVE_SCHEMES if spec.task == "multilabel" else SCHEMES
        return scheme[self.name](counts, float(spec.train_size), self.beta or 0.0).astype(np.float32)


def declare(hp: keras_tuner.HyperParameters) -> WeightSettings:
    """Declares the scheme and its setting."""
    name = hp.Choice("class_weights", ["none", *SCHEMES], default="none")
    with hp.conditional_scope("class_weights", ["effective_number"]):
        beta = hp.Choice("effective_beta", BETAS, default=0.999)
    return WeightSettings(name, beta)


def balanced(counts: Floats, size: float, beta: float) -> Floats:
    """Returns total / (classes * count), with which all classes weigh the same in total."""
    return float(counts.sum() / len(counts)) / counts


def square_root(counts: Floats, size: float, beta: float) -> Floats:
    """Returns 1 / sqrt(count), scaled so that the mean over examples is 1."""
    weights = 1.0 / np.sqrt(counts)
    return weights * float(counts.sum() / (weights * counts).sum())


def effective_number(counts: Floats, size: float, beta: float) -> Floats:
    """Returns 1 / effective number of examples, scaled so that the sum is the number of classes.

    Source: Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019, section 4.
    """
    weights = 1.0 / _effective(counts, beta)
    return weights * float(len(counts) / weights.sum())


def total_over_count(counts: Floats, size: float, beta: float) -> Floats:
    """Returns size / count, as this project's article on VOC2012 weights its classes."""
    return size / counts


def positive_balanced(counts: Floats, size: float, beta: float) -> Floats:
    """Returns negatives / positives for each label."""
    return _negatives(counts, size) / counts


def positive_square_root(counts: Floats, size: float, beta: float) -> Floats:
    """Returns the square root of negatives / positives for each label."""
    return np.sqrt(positive_balanced(counts, size, beta))


def positive_effective_number(counts: Floats, size: float, beta: float) -> Floats:
    """Returns effective negatives / effective positives for each label (Cui et al. 2019, equation 2)."""
    return _effective(_negatives(counts, size), beta) / _effective(counts, beta)


def _negatives(counts: Floats, size: float) -> Floats:
    return np.maximum(size - counts, 1.0)


def _effective(counts: Floats, beta: float) -> Floats:
    return (1.0 - beta**counts) / (1.0 - beta)


Scheme = Callable[[Floats, float, float], Floats]

SCHEMES: dict[str, Scheme] = {
    "balanced": balanced,
    "square_root": square_root,
    "effective_number": effective_number,
    "total_over_count": total_over_count,
}
POSITIVE_SCHEMES: dict[str, Scheme] = {
    "balanced": positive_balanced,
    "square_root": positive_square_root,
    "effective_number": positive_effective_number,
    "total_over_count": total_over_count,
}
