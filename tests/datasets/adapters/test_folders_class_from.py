"""Classes that the outermost folder does not name: a deeper folder does, or the file's own name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.datasets.adapters.folders import CLASS_IN_NAME
from apertune.errors import DatasetError, SettingError


def lay_out(make: SimpleNamespace, root: Path, folders: dict[str, int]) -> Path:
    """Makes files, each another image; a folder's name ends with a slash, the beginning of files' names does not."""
    for number, (start, count) in enumerate(folders.items()):
        for image in range(count):
            make.save(root / f"{start}{image}.jpg", seed=1000 * number + image)
    return root


def read(root: Path, rule: str, **settings: str) -> ImageDataset:
    return load("folders", root, LoadSettings(options={"class-from": rule}, **settings))


def test_a_pattern_reads_the_class_in_file_names(make: SimpleNamespace, tmp_path: Path) -> None:
    """Kaggle's cats and dogs lie in one folder, with the class in the name; the message says what to write."""
    root = lay_out(make, tmp_path, {"train/cat.": 8, "train/dog.": 8, "test1/": 4})
    with pytest.raises(DatasetError, match="test1 and train are named like splits and hold images without") as caught:
        load("folders", root)
    offered = f"--option class-from='{CLASS_IN_NAME}' if file names such as train/cat.0.jpg begin with the class"
    assert offered in str(caught.value)
    with pytest.raises(DatasetError, match="holds 16 images without a folder; give --option class-from="):
        load("folders", root / "train")
    dataset = read(root / "train", CLASS_IN_NAME)
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.images) == 16
    with pytest.raises(SettingError, match=r"class-from must be a folder level .* matches 16 of 20 paths; for example"):
        read(root, CLASS_IN_NAME)


def test_files_without_a_class_in_their_names_are_offered_a_table(make: SimpleNamespace, tmp_path: Path) -> None:
    """Labels of files that numbers alone name must come from elsewhere."""
    root = lay_out(make, tmp_path, {"train/": 8, "test/": 4})
    with pytest.raises(DatasetError, match="labels in a table are read by the data set table"):
        load("folders", root)


def test_folders_that_repeat_below_each_class_are_told(make: SimpleNamespace, tmp_path: Path) -> None:
    """Folds, patients and magnifications may stand where classes usually do: a line says so, an option mends it."""
    root = lay_out(make, tmp_path, {f"fold{fold}/{name}/{fold}": 5 for fold in range(3) for name in "xy"})
    notes = load("folders", root).notes
    assert (
        "each of the 3 class folders (fold0, fold1, fold2) holds the same folders (x, y); if those are the classes, "
        "give --option class-from=2"
    ) in notes
    dataset = read(root, "2", group="1")
    assert dataset.classes == ("x", "y")
    assert [len(dataset.rows(split)) for split in ("train", "validation", "test")] == [10, 10, 10]
    other = lay_out(make, tmp_path / "pets", {"cat/rex/": 4, "cat/tom/": 4, "dog/ben/": 4, "dog/pip/": 4})
    assert not any("holds the same folders" in note for note in load("folders", other).notes)


def test_splits_above_a_rule_are_taken(make: SimpleNamespace, tmp_path: Path) -> None:
    """Outermost folders that are all named like splits are the splits."""
    root = lay_out(make, tmp_path, {"train/cat.": 8, "train/dog.": 8, "valid/cat.": 3, "valid/dog.": 3, "test/cat.": 3,
                                    "test/dog.": 3})  # fmt: skip
    dataset = read(root, r"(cat|dog)\.")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (16, 6, 6)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("0", "must be a folder level from 1"),
        ("3", "names a folder level, but a/0.jpg lies 1 folder deep"),
        ("(", "is no pattern"),
        ("nothing", "'nothing' matches none of 16 paths"),
    ],
)
def test_rules_that_tell_nothing_are_refused(rule: str, message: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """A level that is not there and a pattern that does not match are named."""
    root = lay_out(make, tmp_path, {"a/": 8, "b/": 8})
    with pytest.raises(SettingError, match=message):
        read(root, rule)


def test_one_class_by_a_rule_is_too_few(make: SimpleNamespace, tmp_path: Path) -> None:
    """The refusal does not speak of folders where a rule names the classes."""
    root = lay_out(make, tmp_path, {"a/x": 8, "b/x": 8})
    with pytest.raises(DatasetError, match="at least two classes, but holds only 'x'"):
        read(root, r"([a-z])\d+\.jpg")
