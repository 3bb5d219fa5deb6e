"""Rules of thresholds, read as a user writes them."""

from __future__ import annotations

import pytest

from apertune.errors import SettingError
from apertune.search.evaluation.threshold_rules import ThresholdRule, read_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("f1", ThresholdRule("f1")),
        ("balanced", ThresholdRule("balanced")),
        ("recall@precision=0.9", ThresholdRule("recall@precision", 0.9)),
        ("precision@recall=.95", ThresholdRule("precision@recall", 0.95)),
        ("cost=5", ThresholdRule("cost", 5)),
        ("0.3", ThresholdRule("fixed", 0.3)),
    ],
)
def test_rules_are_read_as_written(text: str, rule: ThresholdRule) -> None:
    """Each rule is read, and shown in the same words."""
    assert read_rule(text) == rule
    assert read_rule(str(rule)) == rule


@pytest.mark.parametrize(
    "text", ["", "F2", "f1=1", "recall@precision", "recall@precision=2", "cost=0", "cost=x", "1.5", "nan", "-0.1"]
)
def test_other_words_are_refused(text: str) -> None:
    """Anything else is refused in one line that lists the rules."""
    with pytest.raises(SettingError, match=r"--threshold must be f1, balanced, recall@precision=P, .* but got '"):
        read_rule(text)
