"""Temperature scaling: one number that makes probabilities say how often they are right, and changes no ranking.

scikit-learn calibrates by temperature inside `CalibratedClassifierCV`, from release 1.8 and thus Python 3.11 on; it
wants a classifier of its own kind and knows no multilabel task, so the few lines here stay.
"""

from __future__ import annotations

import math

import numpy as np

from ...datasets.base import Labels, Task
from .decisions import Probabilities
from .probabilities import log_loss

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(task: Task, labels: Labels, probabilities: Probabilities) -> float:
    """Returns the temperature of least log loss on these rows, between 0.05 and 20.

    1 changes nothing, and above 1 the model was too sure of itself. Fit the temperature on validation rows, and judge
    it on others.
    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return log_loss(labels, apply_temperature(task, probabilities, math.exp(log_temperature)))

    found = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def apply_temperature(task: Task, probabilities: Probabilities, temperature: float) -> Probabilities:
    """Divides the logits of probabilities by the temperature, and returns probabilities in the same form, float32.

    Logits are recovered from the probabilities, up to the offset that softmax drops, so any model will do.
    """
    from scipy.special import expit, softmax

    kept = np.clip(probabilities.astype(np.float64), np.finfo(np.float32).tiny, 1.0)
    if task == "multiclass":
        return np.asarray(softmax(np.log(kept) / temperature, axis=1), dtype=np.float32)
    rest = np.clip(1 - probabilities.astype(np.float64), np.finfo(np.float32).tiny, 1.0)
    logits = (np.log(kept) - np.log(rest)) / temperature
    return np.asarray(expit(logits), dtype=np.float32)
