"""The words on what calibration changed."""

from __future__ import annotations

import numpy as np

from apertune.search.evaluation.calibration import apply_temperature
from apertune.search.promotion.assembly import calibration_line


def test_the_scores_that_calibration_changes_are_told() -> None:
    """Log loss and calibration error are named with both values; answers and rankings are said to stay."""
    random = np.random.default_rng(0)
    labels = (random.random((80, 3)) < 0.4).astype(np.uint8)
    before = random.random((80, 3), np.float32)
    line = calibration_line("multilabel", labels, before, apply_temperature("multilabel", before, 4.0), 4.0)
    assert line.startswith("Calibrated by the temperature 4, which changes on validation log_loss ")
    assert ", expected_calibration_error " in line
    assert "map" not in line
    assert line.endswith("answers and rankings stay, so other scores are those of the search.")
    same = calibration_line("multilabel", labels, before, before, 1.0)
    assert same == "Calibrated by the temperature 1, which changes no score on validation."
