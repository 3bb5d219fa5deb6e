from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from apertune.spaces.base import OBJECTIVE_LOG
from apertune.spaces.recipes.schedules import ScheduleSettings


def rates(settings: ScheduleSettings, steps: int) -> list[float]:
    rate = settings.rate(0.1, steps=steps)
    assert isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
    return [float(np.asarray(rate(step))) for step in range(steps + 1)]


def test_cosine_climbs_and_falls_to_zero() -> None:
    """A cosine schedule reaches its peak after the warm-up and zero at the end of the budget."""
    found = rates(ScheduleSettings("cosine", warmup=0.2), 100)
    assert found[0] < 0.01
    assert max(found) == pytest.approx(0.1)
    assert np.argmax(found) == 20
    assert found[100] == pytest.approx(0.0, abs=1e-6)
    assert rates(ScheduleSettings("cosine", warmup=0.0), 10)[0] == pytest.approx(0.1)


@pytest.mark.parametrize("steps", [1, 2, 3, 90])
def test_steps_drop_evenly(steps: int) -> None:
    """A step schedule drops by its factor at even distances, even with hardly any steps."""
    found = rates(ScheduleSettings("step", drops=2, factor=0.1), steps)
    assert found[0] == pytest.approx(0.1)
    assert found == sorted(found, reverse=True)
    if steps == 90:
        assert [found[20], found[45], found[80]] == pytest.approx([0.1, 0.01, 0.001])


def test_plateau_is_a_callback_on_the_validation_loss() -> None:
    """A plateau schedule leaves the rate a number and watches val_loss."""
    settings = ScheduleSettings("plateau", factor=0.3, patience=2)
    assert settings.rate(0.1, steps=10) == 0.1
    (callback,) = settings.callbacks()
    assert callback.monitor == "val_loss"
    (callback,) = replace(settings, watches="objective").callbacks()
    assert callback.monitor == OBJECTIVE_LOG


def test_restarts_climb_back_to_the_peak() -> None:
    """A schedule with two restarts has three cycles of equal length, each of which begins at the peak."""
    found = rates(ScheduleSettings("restarts", restarts=2), 90)
    assert [found[step] for step in (0, 30, 60)] == pytest.approx([0.1] * 3)
    assert max(found[27:30]) < 0.01
    assert ScheduleSettings("restarts", restarts=2).callbacks() == ()
