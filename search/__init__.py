"""Searching: studies, trials, executors, tracking, evaluation, promotion, export, prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy_exports import exported

if TYPE_CHECKING:
    from .engine.launch import SearchResult, run
    from .executors.places import PlaceSettings
    from .promotion.promoting import promote
    from .promotion.registration import rollback
    from .promotion.settings import PromotionSettings
    from .settings import Home, SearchSettings, make_home
    from .studies.trial_records import TrialRecord

__all__ = [
    "Home",
    "PlaceSettings",
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
    "PlaceSettings": "executors.places",
    "PromotionSettings": "promotion.settings",
    "SearchResult": "engine.launch",
    "SearchSettings": "settings",
    "TrialRecord": "studies.trial_records",
    "make_home": "settings",
    "promote": "promotion.promoting",
    "rollback": "promotion.registration",
    "run": "engine.launch",
}


def __getattr__(name: str) -> Any:
    return exported(__name__, _MODULES, name)
