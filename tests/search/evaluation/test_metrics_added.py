from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from guide import examples

from apertune.errors import SettingError
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.metrics import METRICS, Metric, evaluate
from apertune.search.studies.objectives import Objective, check_target_value, resolve_objectives


@pytest.fixture
def kappa(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """The metric that CONTRIBUTING.md shows, added to the table."""
    names: dict[str, object] = {}
    exec(examples("A metric")[0], names)
    metric = names["KAPPA"]
    assert isinstance(metric, Metric)
    monkeypatch.setitem(METRICS, metric.name, metric)
    return metric


@pytest.mark.parametrize(("task", "outputs"), [("binary", 1), ("multiclass", 4)])
def test_the_metric_of_the_guide_is_computed(kappa: Metric, task: str, outputs: int) -> None:
    """The guide's metric is among those of its tasks, and its value is scikit-learn's."""
    random = np.random.default_rng(0)
    labels = random.integers(0, max(2, outputs), 80, dtype=np.int32)
    probabilities = random.dirichlet(np.ones(max(2, outputs)), 80)[:, -outputs:].astype(np.float32)
    given = probabilities.argmax(axis=1) if outputs > 1 else (probabilities[:, 0] >= 0.5).astype(np.int32)
    scores = evaluate(task, labels, probabilities)  # type: ignore[arg-type]  # given by the test
    assert scores["kappa"] == pytest.approx(sklearn.metrics.cohen_kappa_score(labels, given))


def test_the_metric_of_the_guide_is_an_objective(kappa: Metric) -> None:
    """The guide's metric can be searched by, and its best value bounds --target-value."""
    (objective,) = resolve_objectives(["kappa"], "multiclass")
    assert objective == Objective("kappa", Direction.MAXIMIZE)
    check_target_value(0.9, objective, "multiclass")
    with pytest.raises(SettingError, match=r"must be at most 1, the best kappa there is, but got 1\.5"):
        check_target_value(1.5, objective, "multiclass")
