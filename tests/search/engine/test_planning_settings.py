"""The user's settings reach the supervisor and the workers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pretend_study import Bench

from apertune.datasets import from_arrays
from apertune.search.engine.planning import Plan, make_plan, prepare
from apertune.search.evaluation.direction import Direction
from apertune.search.settings import SearchSettings, make_home
from apertune.search.studies.study import Asked

BEGAN = 100.0


def planned(bench: Bench, **settings: object) -> Plan:
    """Returns the plan of a search that began when `time.monotonic` was `BEGAN`."""
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1), np.uint8)
    dataset = from_arrays("pretended", images, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))
    chosen = SearchSettings(sampler="random", pruner="none", **settings)  # type: ignore[arg-type]
    home = make_home({}, root=bench.folder / "mlflow")
    return make_plan(dataset, prepare(dataset, chosen, home), chosen, home, bench.study, BEGAN)


@pytest.mark.parametrize(
    ("setting", "value", "of_plan", "without", "given"),
    [
        ("hours", 2.0, "deadline", math.inf, BEGAN + 7200.0),
        ("trial_hours", 0.5, "trial_seconds", math.inf, 1800.0),
        ("hang_minutes", 3.0, "hang_seconds", 1800.0, 180.0),
        ("target_value", 0.75, "target_value", None, 0.75),
        ("total_epochs", 12, "epochs", math.inf, 12),
        ("trials", 7, "target", 20, 7),
    ],
)
def test_a_setting_reaches_the_plan(
    tmp_path: Path, setting: str, value: float, of_plan: str, without: float | None, given: float
) -> None:
    """Each budget is the value that was set, in the plan's unit, or the setting's default."""
    assert getattr(planned(Bench(tmp_path)), of_plan) == without
    (tmp_path / "other").mkdir()
    assert getattr(planned(Bench(tmp_path / "other"), **{setting: value}), of_plan) == given


@pytest.mark.parametrize(
    ("setting", "value", "of_task", "without", "given"),
    [
        ("epochs", 9, "epochs", 20, 9),
        ("patience", 2, "patience", 5, 2),
        ("patience", None, "patience", 5, None),
        ("mixed_precision", True, "mixed_precision", False, True),
        ("keep_models", "none", "keep_model", True, False),
        ("keep_models", "best:2", "keep_model", True, True),
    ],
)
def test_a_setting_reaches_the_task(
    tmp_path: Path, setting: str, value: object, of_task: str, without: object, given: object
) -> None:
    """A trial's task has each setting as it was set, or the setting's default."""

    def of(plan: Plan) -> object:
        return getattr(plan.make_task(Asked(0, {"rate": 0.5})), of_task)

    assert of(planned(Bench(tmp_path))) == without
    (tmp_path / "other").mkdir()
    assert of(planned(Bench(tmp_path / "other"), **{setting: value})) == given


@pytest.mark.parametrize(
    ("study", "limits", "measured"),
    [
        ({}, {}, False),
        ({"limits": {"parameters": 9.0}}, {"parameters": 9.0}, False),
        ({"limits": {"latency_ms": 5.0}}, {"latency_ms": 5.0}, True),
        (
            {"more_objectives": (("latency_ms", Direction.MINIMIZE), ("map", Direction.MAXIMIZE))},
            {"latency_ms": math.inf},
            True,
        ),
        ({"more_objectives": (("flops", Direction.MINIMIZE),), "limits": {"flops": 2.0}}, {"flops": 2.0}, False),
    ],
)
def test_latency_is_measured_where_it_matters(
    tmp_path: Path, study: dict[str, object], limits: dict[str, float], measured: bool
) -> None:
    """A trial measures its latency when that is limited or an objective, and keeps the study's limits; a cost that is
    an objective has a limit, too, which any known cost keeps.
    """
    task = planned(Bench(tmp_path, **study)).make_task(Asked(0, {"rate": 0.5}))
    assert task.measure_latency is measured
    assert task.limits == limits
