from __future__ import annotations

import numpy as np
import pytest

from apertune.datasets.base import DataSpec
from apertune.spaces.recipes.class_weights import BETAS, SCHEMES, WeightSettings

SPEC = DataSpec((8, 8, 1), "multiclass", ("a", "b", "c"), (80, 15, 5), 100)
LABELS = DataSpec((8, 8, 1), "multilabel", ("a", "b"), (10, 50), 100)


def weights(name: str, spec: DataSpec, beta: float | None = None) -> list[float]:
    found = WeightSettings(name, beta).weights(spec)
    assert found is not None
    assert found.dtype == np.float32
    return [float(weight) for weight in found]


def test_no_weighting_is_none() -> None:
    """Without a scheme there are no weights, so that the loss is left alone."""
    assert WeightSettings().weights(SPEC) is None


def test_balanced_weights_give_every_class_the_same_total() -> None:
    """Count times balanced weight is the same for all classes, and sums to the number of examples."""
    totals = np.array(weights("balanced", SPEC)) * SPEC.class_counts
    assert totals == pytest.approx([100 / 3] * 3)


def test_square_root_weights_keep_the_mean_at_one() -> None:
    """Square-root weights go with 1 / sqrt(count), and the mean over examples stays 1."""
    found = np.array(weights("square_root", SPEC))
    assert found[2] / found[0] == pytest.approx(4.0)
    assert float(found @ np.array(SPEC.class_counts)) == pytest.approx(100)


@pytest.mark.parametrize("beta", BETAS)
def test_effective_number_follows_cui(beta: float) -> None:
    """Weights are inverse to (1 - beta^n) / (1 - beta) and sum to the number of classes (Cui et al. 2019)."""
    found = np.array(weights("effective_number", SPEC, beta))
    expected = np.array([(1 - beta) / (1 - beta**n) for n in SPEC.class_counts])
    assert found == pytest.approx(expected * 3 / expected.sum(), rel=1e-5)


def test_total_over_count_is_the_articles() -> None:
    """The article's weights are the number of examples over the class's."""
    assert weights("total_over_count", SPEC) == pytest.approx([1.25, 100 / 15, 20.0])
    assert weights("total_over_count", LABELS) == pytest.approx([10.0, 2.0])


def test_multilabel_weights_are_of_positives() -> None:
    """For labels the balanced weight is negatives over positives, and its root for the square root."""
    assert weights("balanced", LABELS) == pytest.approx([9.0, 1.0])
    assert weights("square_root", LABELS) == pytest.approx([3.0, 1.0])
    assert weights("effective_number", LABELS, 0.9)[1] == pytest.approx(1.0)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_class_without_images_has_a_finite_weight(scheme: str, task: str) -> None:
    """A class that the training split lacks breaks no scheme."""
    spec = DataSpec((8, 8, 1), task, ("a", "b"), (10, 0), 10)  # type: ignore[arg-type]  # a Task
    assert np.isfinite(weights(scheme, spec, 0.999)).all()
