"""Apertune: hyperparameter search for image classifiers.

KerasTuner declares what may vary, Optuna draws the trials, MLflow keeps what they yield. The rooms of the house are
`apertune.datasets`, `apertune.spaces` and `apertune.search`; import what you need of them.
"""

from __future__ import annotations

from .errors import ApertuneError, UserError

__all__ = ["ApertuneError", "UserError"]
