"""Objectives made from a name: kappa, worst recall, F-beta, costs from a file, and a user's function."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from apertune.errors import SettingError, UnknownNameError
from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.metrics import resolve_objective
from apertune.search.evaluation.own_metrics import own_score, whole_name
from apertune.search.studies.objectives import check_computable, resolve_objectives

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 4, 90).astype(np.int32)
MANY = RANDOM.dirichlet(np.ones(4), 90).astype(np.float32)
TWO_LABELS, TWO = (LABELS > 2).astype(np.int32), MANY[:, :1].copy() * 1.6
SEVERAL_LABELS, SEVERAL = (RANDOM.random((90, 3)) < 0.4).astype(np.uint8), RANDOM.random((90, 3), np.float32)


def test_they_equal_scikit_learn() -> None:
    """Kappa, F-beta and the least recall are scikit-learn's, for every task that has them."""
    two, many, several = (TWO[:, 0] >= 0.5), MANY.argmax(axis=1), SEVERAL >= 0.5
    found = {
        (name, task): resolve_objective(name, task).score(labels, given)  # type: ignore[arg-type]  # tasks are texts here
        for task, labels, given in (
            ("binary", TWO_LABELS, TWO),
            ("multiclass", LABELS, MANY),
            ("multilabel", SEVERAL_LABELS, SEVERAL),
        )
        for name in ("kappa", "fbeta:2", "worst_class_recall")
        if (name, task) != ("kappa", "multilabel")
    }
    assert found == pytest.approx({
        ("kappa", "binary"): sk.cohen_kappa_score(TWO_LABELS, two),
        ("kappa", "multiclass"): sk.cohen_kappa_score(LABELS, many),
        ("fbeta:2", "binary"): sk.fbeta_score(TWO_LABELS, two, beta=2),
        ("fbeta:2", "multiclass"): sk.fbeta_score(LABELS, many, beta=2, average="macro"),
        ("fbeta:2", "multilabel"): sk.fbeta_score(SEVERAL_LABELS, several, beta=2, average="macro"),
        ("worst_class_recall", "binary"): sk.recall_score(TWO_LABELS, two, average=None).min(),
        ("worst_class_recall", "multiclass"): sk.recall_score(LABELS, many, average=None).min(),
        ("worst_class_recall", "multilabel"): sk.recall_score(SEVERAL_LABELS, several, average=None).min(),
    })  # fmt: skip


@pytest.mark.parametrize(
    "text", ["0,1,2,9\n1,0,1,1\n1,1,0,1\n5,1,1,0\n", ",a,b,c,d\na,0,1,2,9\nb,1,0,1,1\nc,1,1,0,1\nd,5,1,1,0\n"]
)
def test_costs_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A file of costs, with names or without, is a loss to be minimized, known by its whole path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "costs.csv").write_text(text)
    (objective,) = resolve_objectives(["cost:costs.csv"], "multiclass")
    assert (objective.name, objective.direction) == (f"cost:{tmp_path / 'costs.csv'}", Direction.MINIMIZE)
    assert whole_name(objective.name) == objective.name
    metric = resolve_objective(objective.name, "multiclass")
    labels, answered = np.array([0, 3], np.int32), np.array([[0, 0, 0, 1], [0, 0, 0, 1]], np.float32)
    assert metric.score(labels, answered) == 4.5
    assert metric.best == 0
    check_computable(objective, "multiclass", LABELS, 4)
    with pytest.raises(SettingError, match="must have 2 rows, one per class, but has 4"):
        check_computable(objective, "binary", TWO_LABELS, 1)


@pytest.mark.parametrize("text", ["", "1,2\n3\n", "a,b\nc,d\n", "1,nan\n0,1\n"])
def test_a_file_without_a_square_of_numbers_is_refused(tmp_path: Path, text: str) -> None:
    """A file that is empty, ragged or holds words is refused in one line that says its form."""
    file = tmp_path / "costs.csv"
    file.write_text(text)
    with pytest.raises(SettingError, match="a row per true class and a column per answer"):
        own_score(f"cost:{file}", "multiclass")


def test_a_users_function_is_an_objective(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function in this folder says its direction; one that fails or returns no number is refused before training."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "judging.py").write_text(
        'def wrong(labels, probabilities):\n    """Share of wrong answers."""\n'
        "    return (probabilities.argmax(axis=1) != labels).mean()\n"
        'wrong.direction = "minimize"\n'
        "def fails(labels, probabilities):\n    return labels.nothing\n"
        'def wordy(labels, probabilities):\n    return "good"\n'
        "number = 3\n"
    )
    metric = resolve_objective("judging:wrong", "multiclass")
    assert (metric.direction, metric.description) == (Direction.MINIMIZE, "Share of wrong answers.")
    assert metric.score(LABELS, MANY) == pytest.approx((MANY.argmax(axis=1) != LABELS).mean())
    for name, line in (
        ("judging:fails", "cannot be computed: AttributeError"),
        ("judging:wordy", "must return a number, but returned 'good'"),
        ("judging:number", "must be a function of labels and probabilities"),
        ("judging:absent", "cannot be imported: AttributeError"),
        ("nowhere:at_all", "cannot be imported: ModuleNotFoundError"),
    ):
        with pytest.raises(SettingError, match=line):
            check_computable(resolve_objectives([name], "multiclass")[0], "multiclass", LABELS, 4)


@pytest.mark.parametrize("name", ["fbeta:0", "fbeta:x", "fbeta:", "fbeta:nan", "fbeta:1000"])
def test_a_wrong_beta_is_refused(name: str) -> None:
    """The number of F-beta must be above 0 and reasonable."""
    with pytest.raises(SettingError, match=r"fbeta:B needs a number above 0, at most 100, such as fbeta:2"):
        resolve_objective(name, "binary")


def test_what_a_task_lacks_is_unknown() -> None:
    """Kappa and costs need one class per image, and a misspelt name is answered by the forms there are."""
    with pytest.raises(UnknownNameError):
        resolve_objective("kappa", "multilabel")
    with pytest.raises(SettingError, match="needs one class per image"):
        resolve_objective("cost:x.csv", "multilabel")
    with pytest.raises(UnknownNameError, match="did you mean 'kappa'"):
        resolve_objectives(["kapa"], "multiclass")
