from __future__ import annotations

import numpy as np
import pytest

from apertune.errors import UnknownNameError
from apertune.search.evaluation.comparison import compare_pairs, parameter_rows
from apertune.search.evaluation.significance import mcnemar


def test_differing_parameters_come_first():
    """Rows that differ come before those that are alike, and a parameter that a trial lacks differs."""
    rows = parameter_rows([{"batch": 32, "rate": 0.1}, {"batch": 32, "rate": 0.2, "momentum": 0.9}])
    assert [(row.name, row.values, row.differs) for row in rows] == [
        ("rate", (0.1, 0.2), True),
        ("momentum", (None, 0.9), True),
        ("batch", (32, 32), False),
    ]


def test_multiclass_trials_are_compared_by_mcnemar():
    """Every pair gets McNemar's p-value on the answers, Holm's correction, and an interval of the objective."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300, dtype=np.int32)
    truth = np.eye(3)[labels]
    strengths = {3: 0.2, 7: 0.2, 12: 2.0}
    probabilities = {
        number: random.dirichlet(np.ones(3), 300).astype(np.float32) * 0.5 + (strength * truth).astype(np.float32)
        for number, strength in strengths.items()
    }
    pairs = compare_pairs("multiclass", "macro_f1", labels, probabilities, seed=0, resamples=100)
    assert [(pair.first, pair.second, pair.test) for pair in pairs] == [
        (3, 7, "McNemar"), (3, 12, "McNemar"), (7, 12, "McNemar"),
    ]  # fmt: skip
    assert [pair.real for pair in pairs] == [False, True, True]
    assert pairs[0].p_value == mcnemar(labels, probabilities[3], probabilities[7]).p_value
    assert pairs[1].low > 0
    assert all(pair.adjusted >= pair.p_value for pair in pairs)


def test_multilabel_trials_are_compared_by_bootstrap():
    """Multilabel trials are compared by the paired bootstrap of the objective, and equal ones do not differ."""
    random = np.random.default_rng(0)
    labels = (random.random((120, 4)) < 0.3).astype(np.uint8)
    weak = random.random((120, 4), dtype=np.float32)
    strong = (0.5 * weak + 0.5 * labels).astype(np.float32)
    better, same = (
        compare_pairs("multilabel", "map", labels, {1: weak, 2: other}, seed=0, resamples=100)[0]
        for other in (strong, weak)
    )
    assert better.test == "paired bootstrap"
    assert better.real
    assert better.difference > 0
    assert not same.real


def test_an_objective_of_another_task_is_refused():
    """The objective must be one of the task's metrics."""
    with pytest.raises(UnknownNameError, match="multilabel objective"):
        compare_pairs("multilabel", "roc_auc", np.zeros((2, 2), np.uint8), {}, seed=0)
