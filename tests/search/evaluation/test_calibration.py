from __future__ import annotations

import numpy as np
import pytest

from apertune.search.evaluation.calibration import apply_temperature, fit_temperature
from apertune.search.evaluation.probabilities import expected_calibration_error, log_loss

TASKS = ["binary", "multiclass", "multilabel"]


def sharpened(task, factor, rows=4000):
    """Labels drawn from honest probabilities, and these probabilities with their logits multiplied."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, (rows, 1 if task == "binary" else 4))
    if task == "multiclass":
        honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        labels = (random.random((rows, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(0, 3).astype(np.int32)
        sure = np.exp(factor * logits) / np.exp(factor * logits).sum(axis=1, keepdims=True)
        return labels, sure.astype(np.float32)
    hits = random.random(logits.shape) < 1 / (1 + np.exp(-logits))
    labels = hits.astype(np.uint8) if task == "multilabel" else hits[:, 0].astype(np.int32)
    return labels, (1 / (1 + np.exp(-factor * logits))).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_finds_the_temperature_that_was_put_in(task, factor):
    """Logits multiplied by a factor are found out, and scaling back calibrates them."""
    labels, probabilities = sharpened(task, factor)
    temperature = fit_temperature(task, labels, probabilities)
    assert temperature == pytest.approx(factor, rel=0.08)
    scaled = apply_temperature(task, probabilities, temperature)
    assert log_loss(labels, scaled) < log_loss(labels, probabilities)
    assert expected_calibration_error(labels, scaled) < expected_calibration_error(labels, probabilities)


@pytest.mark.parametrize("task", TASKS)
def test_answers_and_form_stay(task):
    """Scaling changes no multiclass answer, no side of 0.5, no shape and no type; temperature 1 changes nothing."""
    _, probabilities = sharpened(task, 2.0, rows=100)
    scaled = apply_temperature(task, probabilities, 3.0)
    assert scaled.dtype == np.float32
    assert scaled.shape == probabilities.shape
    if task == "multiclass":
        assert np.array_equal(scaled.argmax(axis=1), probabilities.argmax(axis=1))
        assert scaled.sum(axis=1) == pytest.approx(1, abs=1e-6)
    else:
        assert np.array_equal(scaled > 0.5, probabilities > 0.5)
    assert apply_temperature(task, probabilities, 1.0) == pytest.approx(probabilities, abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_certain_probabilities_are_scaled_without_warning(task):
    """Probabilities of exactly 0 and 1, right or wrong, give finite probabilities and a temperature within bounds."""
    truth = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    labels = {"binary": np.array([0, 1, 0, 1], np.int32), "multiclass": np.array([0, 1, 2, 0], np.int32)}.get(task)
    labels = truth.astype(np.uint8) if labels is None else labels
    probabilities = labels.astype(np.float32)[:, None] if task == "binary" else truth
    for given in (probabilities, 1 - probabilities if task != "multiclass" else np.roll(truth, 1, axis=1)):
        temperature = fit_temperature(task, labels, given)
        assert 0.04 < temperature < 21
        assert np.isfinite(apply_temperature(task, given, temperature)).all()
