"""Temperature scaling: one number that brings stated probabilities closer to the share that comes true."""

from __future__ import annotations

import math

import numpy as np

from ...datasets.base import Labels, Task
from .decisions import Floats, Probabilities
from .probabilities import log_loss

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(task: Task, labels: Labels, probabilities: Probabilities) -> float:
    """Returns the temperature of least log loss on these rows, between 0.05 and 20; 1 changes nothing.

    Above 1 the model was too sure of itself. It is fitted on validation rows and judged on others.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return log_loss(labels, apply_temperature(task, probabilities, math.exp(log_temperature)))

    found = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def apply_temperature(task: Task, probabilities: Probabilities, temperature: float) -> Probabilities:
    """Returns the probabilities whose logits are divided by the temperature: float32, in the form they came in.

    Logits are recovered from the probabilities, up to the offset that softmax drops, so any model will do.
    """
    kept = np.clip(probabilities.astype(np.float64), np.finfo(np.float32).tiny, 1.0)
    if task == "multiclass":
        return _softmax(np.log(kept) / temperature).astype(np.float32)
    rest = np.clip(1 - probabilities.astype(np.float64), np.finfo(np.float32).tiny, 1.0)
    logits = (np.log(kept) - np.log(rest)) / temperature
    return np.asarray(_sigmoid(logits), dtype=np.float32)


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _sigmoid(logits: Floats) -> Floats:
    # Written with tanh, since the exponential overflows.
    return 0.5 * (1 + np.tanh(logits / 2))
