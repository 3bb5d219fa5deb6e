"""Promotion: from a study's best trials to a registered, calibrated, tested model, and back again.

Life of a promotion: the top trials are confirmed with fresh seeds and a winner is chosen on validation; it may be
trained again on more data or averaged with others; it is calibrated; then the test split is opened, and its scores
decide whether the alias `champion` moves. Moving the alias is the last step: a promotion that is killed leaves the
champion as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...lazy_exports import exported

if TYPE_CHECKING:
    from .promoting import Promotion, promote
    from .registration import rollback
    from .settings import PromotionSettings

__all__ = ["Promotion", "PromotionSettings", "promote", "rollback"]

# The help of `apertune promote` needs the settings alone; the rest imports NumPy.
_MODULES = {
    "Promotion": "promoting",
    "PromotionSettings": "settings",
    "promote": "promoting",
    "rollback": "registration",
}


def __getattr__(name: str) -> Any:
    return exported(__name__, _MODULES, name)
