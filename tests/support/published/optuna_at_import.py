"""A script for Optuna, which searches when it is imported."""

from typing import Any

import optuna


def objective(trial: Any) -> float:
    return float(trial.suggest_float("x", 0, 1))


study = optuna.create_study()
study.optimize(objective, n_trials=1)
