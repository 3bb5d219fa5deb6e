"""Rules that thresholds are chosen by, as a user writes them. Reading one imports no NumPy."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from ...errors import SettingError

RULES = "f1, balanced, recall@precision=P, precision@recall=R, cost=C, or a number from 0 to 1"


@dataclass(frozen=True)
class ThresholdRule:
    """One way to choose a threshold."""

    kind: Literal["f1", "balanced", "recall@precision", "precision@recall", "cost", "fixed"]
    """The score that is made best: F1; the mean of recall and of the recall of the others; recall at a least
    precision; precision at a least recall; the cost of misses and false alarms; or none, for a given threshold."""
    number: float = 0.0
    """The least precision or recall, the cost of a miss in false alarms, or the given threshold."""

    def __str__(self) -> str:
        if self.kind == "fixed":
            return f"{self.number:g}"
        return self.kind if self.kind in ("f1", "balanced") else f"{self.kind}={self.number:g}"


F1 = ThresholdRule("f1")


def read_rule(text: str) -> ThresholdRule:
    """Reads a rule as a user writes it.

    Raises:
        SettingError: It is none of `RULES`, or its number is out of range.
    """
    wrong = SettingError(f"--threshold must be {RULES}, but got '{text}'")
    name, equals, value = text.strip().partition("=")
    if name in ("f1", "balanced") and not equals:
        return ThresholdRule(name)  # type: ignore[arg-type]  # two of the kinds
    if not equals:
        name, value = "fixed", name
    if name not in ("recall@precision", "precision@recall", "cost", "fixed"):
        raise wrong
    if not re.fullmatch(r"\d*\.?\d+(e-?\d+)?", value.strip()):
        raise wrong
    number = float(value)
    if not (0 < number < math.inf if name == "cost" else 0 <= number <= 1):
        raise wrong
    return ThresholdRule(name, number)  # type: ignore[arg-type]  # checked above
