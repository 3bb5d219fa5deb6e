"""Temperature scaling: one number that makes probabilities say how often they are right, and changes no ranking."""

from __future__ import annotations

import math

import numpy as np

from ...datasets.base import Labels, Task
from .decisions import Floats, Probabilities
from .probabilities import log_loss

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(task: Task, labels: Labels, probabilities: Probabilities) -> float:
    """The temperature of least log loss on these rows, between 0.05 and 20; 1 changes nothing.

    Above 1 the model was too sure of itself. Fit it on validation rows, and judge it on others.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return log_loss(labels, apply_temperature(task, probabilities, math.exp(log_temperature)))

    found = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def apply_temperature(task: Task, probabilities: Probabilities, temperature: float) -> Probabilities:
    """Probabilities whose logits are divided by the temperature: float32, in the form they came in.

    Logits are recovered from the probabilities (softmax forgets their common offset), so any model will do.
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
    # By tanh, which never overflows.
    return 0.5 * (1 + np.tanh(logits / 2))
