"""Real data sets in their original layouts, in the folder that APERTUNE_REAL_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from apertune.datasets import load
from apertune.datasets.audit.auditing import audit, counts
from apertune.datasets.audit.description import describe
from apertune.datasets.audit.label_errors import suspicious_labels

ROOT = Path(os.environ.get("APERTUNE_REAL_DATA", ""))
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif("APERTUNE_REAL_DATA" not in os.environ, reason="APERTUNE_REAL_DATA is not set"),
]


@pytest.mark.parametrize(
    ("name", "path", "task", "classes"),
    [
        ("folders", "pets", "binary", 2),
        ("simpsons", "simpsons_dataset", "multiclass", 10),
        ("voc2012", "VOCdevkit", "multilabel", 20),
        ("fer2013", "fer2013_folders", "multiclass", 7),
        ("fer2013", "fer2013/fer2013.csv", "multiclass", 7),
    ],
)
def test_loads(name: str, path: str, task: str, classes: int) -> None:
    """Each data set loads and is described, and none of its splits is empty."""
    dataset = load(name, ROOT / path)
    facts = describe(dataset)
    assert (dataset.task, len(dataset.classes)) == (task, classes)
    assert min(facts["images"].values()) > 0


def test_csv_and_folders_agree() -> None:
    """The CSV holds the faces of the folders, each under the same emotion."""
    table, folders = load("fer2013", ROOT / "fer2013/fer2013.csv"), load("fer2013", ROOT / "fer2013_folders")
    assert len(table.images) == len(folders.images)
    assert np.bincount(table.labels).tolist() == np.bincount(folders.labels).tolist()
    assert np.sort(table.images.mean(axis=(1, 2, 3))).tolist() == np.sort(folders.images.mean(axis=(1, 2, 3))).tolist()


def test_audit_finds_known_faults() -> None:
    """FER2013's repeated faces, contradicting labels and constant images are found."""
    counted = counts(audit(load("fer2013", ROOT / "fer2013/fer2013.csv")))
    assert counted["duplicate"] > 500
    assert counted["conflict"] > 10
    assert counted["constant"] >= 10
    assert counted["leak"] > 100


def test_audit_finds_changed_labels() -> None:
    """About half of the labels of cartoon characters that were changed on purpose are found."""
    dataset = load("simpsons", ROOT / "simpsons_dataset")
    random, labels = np.random.default_rng(1), dataset.labels.copy()
    changed = random.permutation(len(labels))[: len(labels) // 20]
    labels[changed] = (labels[changed] + random.integers(1, 10, len(changed))) % 10
    found = {row for row, _ in suspicious_labels(dataset.images, labels, seed=0)}
    hits = len(found & set(changed.tolist()))
    assert hits > 0.4 * len(changed)
    assert hits > 0.3 * len(found)
