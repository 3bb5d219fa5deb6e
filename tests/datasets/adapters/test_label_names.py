"""Names of classes in one spelling."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import load
from apertune.errors import DatasetError


def test_two_spellings_of_an_accent_are_one_class(make: SimpleNamespace, tmp_path: Path) -> None:
    """Folders in composed and decomposed Unicode, or with spaces around, are one class each."""
    names = ["café", unicodedata.normalize("NFD", "café"), "müsli", "tea", "tea "]
    for number, name in enumerate(names):
        for image in range(4):
            make.save(tmp_path / "set" / name / f"{number}-{image}.jpg", seed=10 * number + image)
    dataset = load("folders", tmp_path / "set")
    assert dataset.classes == ("café", "müsli", "tea")
    assert len(dataset.images) == 20


def test_twins_by_case_are_refused_in_tables(make: SimpleNamespace, tmp_path: Path) -> None:
    """Labels of a table that differ only by case are named, as class folders are."""
    lines = ["path,label"]
    for image, label in enumerate(["dog", "DOG", "cat", "dog"]):
        make.save(tmp_path / f"{image}.jpg", seed=image)
        lines.append(f"{image}.jpg,{label}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DatasetError, match="the labels 'DOG' and 'dog' differ only by case; rename one of them"):
        load("table", tmp_path / "labels.csv")
