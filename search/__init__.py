"""Searching: studies, trials, executors, tracking, evaluation, promotion, export, prediction."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine.launch import SearchResult, run
    from .promotion import PromotionSettings, promote, rollback
    from .settings import Home, SearchSettings, make_home
    from .studies.trial_records import TrialRecord

__all__ = [
    "Home",
    "PromotionSettings",
    "SearchResult",
    "SearchSettings",
    "TrialRecord",
    "make_home",
    "promote",
    "rollback",
    "run",
]

# Looked up on first use, so that a worker does not import Optuna and the command starts quickly.
_MODULES = {
    "Home": "settings",
    "PromotionSettings": "promotion",
    "SearchResult": "engine.launch",
    "SearchSettings": "settings",
    "TrialRecord": "studies.trial_records",
    "make_home": "settings",
    "promote": "promotion",
    "rollback": "promotion",
    "run": "engine.launch",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
