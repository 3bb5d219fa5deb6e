"""Promotion: from a study's best trials to a registered, calibrated, tested model, and back again.

Life of a promotion: the top trials are confirmed with fresh seeds and a winner is chosen on validation; it may be
trained again on more data or averaged with others; it is calibrated; then the test split is opened, and its scores
decide whether the alias `champion` moves. Moving the alias is the last step: a promotion that is killed leaves the
champion as it was.
"""

from .promoting import Promotion, promote
from .registration import rollback
from .settings import PromotionSettings

__all__ = ["Promotion", "PromotionSettings", "promote", "rollback"]
