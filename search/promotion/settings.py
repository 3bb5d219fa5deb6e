"""Settings of a promotion, each declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import SettingError
from ...settings_fields import check, setting
from ..evaluation.threshold_rules import RULES, ThresholdRule, read_rule


def _bounds(called: str, given: Any) -> Any:
    if not isinstance(given, Sequence) or isinstance(given, str):
        return given
    bounds = {}
    for word in given:
        name, _, value = word.partition("=")
        try:
            bounds[name] = float(value)
        except ValueError:
            raise SettingError(f"{called} must be METRIC=NUMBER such as accuracy=0.6, but got '{word}'") from None
    return bounds


@dataclass(frozen=True)
class PromotionSettings:
    """One promotion of a study's best trial.

    Raises:
        SettingError: a value has another type than declared, is out of its bounds, or would have no effect.
    """

    study: str | None = setting(
        None, "Promote from this study.", shown_default="the study of this data with the most trials"
    )
    top: int = setting(3, "Confirm this many of the best trials.", least=1)
    seeds: int = setting(3, "Train each of these trials again with this many fresh seeds; 1 trains none.", least=1)
    """1 takes the best trial as it is."""
    refit: bool = setting(False, "Train the winner again on training and validation images together.")
    ensemble: int | None = setting(
        None, "Average up to K networks, if that is really better than one.", metavar="K", least=2
    )
    minimum_probability: float = setting(
        0.0, 'Let the model answer "unknown" below this probability.', metavar="P", least=0, most=1
    )
    threshold: str | None = setting(
        None,
        "Choose the least probability of a yes by this rule, on validation, for data of two classes or several labels: "
        f"{RULES}.",
        metavar="RULE",
        shown_default="f1",
    )
    minimums: Mapping[str, float] = setting(
        {},
        "Make it the champion only with this test score or a better one; repeat the flag for several metrics.",
        flag="min",
        metavar="METRIC=VALUE",
        reader=_bounds,
    )
    """By metric; for a metric that should be small, the largest value allowed."""
    retrain_champion: bool = setting(
        False, "Train the present champion's configuration again on this split, and compare with that."
    )
    force: bool = setting(False, "Make it the champion whatever validation and test say.")

    def __post_init__(self) -> None:
        check(self)
        if self.threshold is not None:
            read_rule(self.threshold)
        if self.refit and self.ensemble is not None:
            raise SettingError(
                "--refit leaves no validation images to choose an ensemble by; give --refit or --ensemble, not both"
            )

    @property
    def rule(self) -> ThresholdRule:
        """The rule for thresholds."""
        return read_rule(self.threshold or "f1")
