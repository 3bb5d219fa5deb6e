"""A DataFrame of paths and labels becomes the data set that the same files make."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apertune.datasets import LoadSettings, from_dataframe, load
from apertune.datasets.audit.auditing import audit
from apertune.errors import DatasetError, SettingError

SMALL = LoadSettings(image_size=16)


@pytest.fixture
def root(make: SimpleNamespace, tmp_path: Path) -> Path:
    folder: Path = make.folders(tmp_path / "pictures", ("cat", "dog", "hen"), count=8)
    return folder


@pytest.fixture
def frame(root: Path) -> pd.DataFrame:
    """One row per image, with paths relative to the root."""
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.JPG"))
    return pd.DataFrame({"path": paths, "label": [path.partition("/")[0] for path in paths]})


def test_as_files(root: Path, frame: pd.DataFrame) -> None:
    """Pixels, labels, origins and splits are those of the adapter that reads the same files."""
    dataset = from_dataframe("mine", frame, root=root, settings=SMALL)
    files = load("folders", root, SMALL)
    assert dataset.fingerprint == files.fingerprint
    assert dataset.origins.tolist() == files.origins.tolist()
    assert (dataset.name, dataset.adapter, dataset.source) == ("mine", "", "DataFrame")
    assert from_dataframe("mine", frame, root=root).image_shape == (128, 128, 3)


def test_paths_of_every_kind(root: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absolute paths, Path objects, and paths from the working directory or the root name the same files."""
    want = from_dataframe("mine", frame, root=root, settings=SMALL)
    monkeypatch.chdir(root)
    for paths in (
        frame["path"],
        [str(root / path) for path in frame["path"]],
        [root / path for path in frame["path"]],
        [f"./{path}" for path in frame["path"]],
        [path.replace("/", "\\") for path in frame["path"]],
    ):
        dataset = from_dataframe("mine", frame.assign(path=list(paths)), settings=SMALL)
        assert dataset.fingerprint == want.fingerprint
        assert dataset.origins[0] == "cat/photo 0.JPG"
    monkeypatch.chdir(root / "cat")
    above = frame.assign(path=[f"../{path}" for path in frame["path"]])
    assert from_dataframe("mine", above, settings=SMALL).fingerprint == want.fingerprint


def test_cached_until_a_file_changes(make: SimpleNamespace, root: Path, frame: pd.DataFrame) -> None:
    """Files are decoded once, and again when one of them changes."""
    first = from_dataframe("mine", frame, root=root, settings=SMALL)
    stages: list[str] = []

    def opened() -> str:
        stages.clear()
        report = from_dataframe(
            "mine", frame, root=root, settings=SMALL, progress=lambda stage, done, total: stages.append(stage)
        )
        return report.fingerprint

    assert opened() == first.fingerprint
    assert stages == []
    make.save(root / "cat" / "photo 0.JPG", seed=4711)
    assert opened() != first.fingerprint
    assert stages


def test_split_column(root: Path, frame: pd.DataFrame) -> None:
    """The splits are those of the column, whatever the usual words for them."""
    words = np.resize(["train", "Training", "val", "TEST"], len(frame))
    dataset = from_dataframe("mine", frame.assign(split=words), root=root, settings=SMALL)
    assert dataset.train.tolist() == [row for row in range(24) if row % 4 < 2]
    assert dataset.validation.tolist() == list(range(2, 24, 4))
    assert dataset.test.tolist() == list(range(3, 24, 4))
    named = from_dataframe("mine", frame.assign(part=words), root=root, split_column="part", settings=SMALL)
    assert named.fingerprint == dataset.fingerprint
    with pytest.raises(DatasetError, match="column 'split' must say train, validation or test, but a row says 'later'"):
        from_dataframe("mine", frame.assign(split="later"), root=root)


def test_frames_of_splits(root: Path, frame: pd.DataFrame) -> None:
    """Splits may come as DataFrames of their own, and not by a column as well."""
    order = frame.sample(frac=1, random_state=0)
    parts = {"validation": order[12:18], "test": order[18:]}
    dataset = from_dataframe("mine", order[:12], root=root, settings=SMALL, **parts)
    assert set(dataset.origins[dataset.test]) == set(order["path"][18:])
    assert len(dataset.train) == 12
    with pytest.raises(SettingError, match=r"stated twice, by the column 'split' and by validation= and test="):
        from_dataframe("mine", order[:12].assign(split="train"), root=root, **parts)
    with pytest.raises(SettingError, match="test must be a pandas DataFrame of paths and labels, but got str"):
        from_dataframe("mine", frame, test="test.csv")  # type: ignore[arg-type]


def test_several_labels(root: Path, frame: pd.DataFrame) -> None:
    """Lists of names, columns of 0 and 1 and texts with a stated mark say the same."""
    lists = [["cat"] if row % 2 else ["cat", "hen"] for row in range(len(frame))]
    lists[5] = []
    marks = pd.DataFrame({name: [str(int(name in names)) for names in lists] for name in ("cat", "hen")})
    wide = pd.concat([frame[["path"]], marks], axis=1)
    first = from_dataframe("mine", frame.assign(label=lists), root=root, settings=SMALL)
    assert first.task == "multilabel"
    assert first.labels[[0, 1, 5]].tolist() == [[1, 1], [1, 0], [0, 0]]
    second = from_dataframe("mine", wide, root=root, label_column=["cat", "hen"], settings=SMALL)
    joined = frame.assign(label=[";".join(names) for names in lists])
    third = from_dataframe("mine", joined, root=root, label_separator=";", settings=SMALL)
    assert first.fingerprint == second.fingerprint == third.fingerprint
    with pytest.raises(DatasetError, match="'cat;hen' looks like several labels; write label_separator=';'"):
        from_dataframe("mine", joined, root=root)


def test_rows_that_cannot_be_used(root: Path, frame: pd.DataFrame) -> None:
    """Missing files, folders, empty cells and files that are no images are named, and left out when asked."""
    (root / "cat" / "photo 3.JPG").write_bytes(b"no image")
    frame.loc[0, "path"] = "cat/none.jpg"
    frame.loc[1, "path"] = None
    frame.loc[2, "path"] = "cat"
    frame.loc[4, "label"] = None
    with pytest.raises(DatasetError) as refused:
        from_dataframe("mine", frame, root=root, settings=SMALL)
    assert str(refused.value).startswith(
        "mine: 5 images cannot be used (cat/none.jpg: no such file; row 1: no path; cat: a folder, not an image; and 2 "
        "more); leave out such images with settings=LoadSettings(skip_bad=True)"
    )
    settings = LoadSettings(image_size=16, skip_bad=True)
    dataset = from_dataframe("mine", frame, root=root, settings=settings)
    assert len(dataset.images) == 19
    found = {file for finding in audit(dataset) for file in finding.files if finding.kind == "unreadable"}
    assert found == {"cat/none.jpg", "row 1", "cat", "cat/photo 3.JPG", "cat/photo 4.JPG"}


def test_wrong_root(frame: pd.DataFrame, tmp_path: Path) -> None:
    """The folder that was searched is named if no path leads to a file."""
    with pytest.raises(DatasetError, match=rf"^{tmp_path} holds no image that can be used; cat/photo 0\.JPG: no such"):
        from_dataframe("mine", frame, root=tmp_path)


def test_groups(root: Path, frame: pd.DataFrame) -> None:
    """A column of groups, or a pattern over the paths, keeps its images in one split."""
    scenes = np.arange(len(frame)) % 8
    dataset = from_dataframe(
        "mine", frame.assign(scene=scenes), root=root, settings=LoadSettings(image_size=16, group="scene")
    )
    parts = [set(scenes[dataset.rows(split)]) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 8
    assert any("8 groups by column scene" in note for note in dataset.notes)
    pattern = LoadSettings(image_size=16, group=r"photo (\d)")
    assert any(
        "8 groups by pattern" in note for note in from_dataframe("mine", frame, root=root, settings=pattern).notes
    )


def test_repeated_rows(root: Path, frame: pd.DataFrame) -> None:
    """A file named twice counts once, with a note; with two labels or in two splits it cannot be used."""
    twice = pd.concat([frame, frame[:3]])
    dataset = from_dataframe("mine", twice, root=root, settings=SMALL)
    assert len(dataset.images) == 24
    assert "left out 3 rows that repeat a file" in dataset.notes
    other = pd.concat([frame, frame[:1].assign(label="dog")])
    with pytest.raises(DatasetError, match=r"cat/photo 0\.JPG: in 2 rows, with different labels"):
        from_dataframe("mine", other, root=root)
    with pytest.raises(DatasetError, match=r"cat/photo 0\.JPG: in 2 rows, in different splits"):
        from_dataframe("mine", frame, root=root, test=frame[:1])


@pytest.mark.parametrize(
    ("columns", "words", "message"),
    [
        ({"path": "where"}, {}, r"hold the paths; write path_column='NAME'; the columns are where, label"),
        ({"label": "what"}, {}, r"hold the labels; write label_column='NAME'; the columns are path, what"),
        ({}, {"label_column": "kind"}, "there is no column 'kind'; the columns are path, label"),
        ({}, {"label_column": ["label", "kind"]}, "there is no column 'kind'"),
        ({}, {"split_column": "part"}, "there is no column 'part'"),
    ],
)
def test_columns_are_named(
    root: Path, frame: pd.DataFrame, columns: dict[str, str], words: dict[str, Any], message: str
) -> None:
    """A column that is missing or has an unusual name is asked for."""
    with pytest.raises(DatasetError, match=message):
        from_dataframe("mine", frame.rename(columns=columns), root=root, **words)


def test_chosen_columns(root: Path, frame: pd.DataFrame) -> None:
    """Columns of any name, numbers included, can be chosen."""
    want = from_dataframe("mine", frame, root=root, settings=SMALL).fingerprint
    renamed = frame.rename(columns={"path": 0, "label": "what"})
    chosen = from_dataframe("mine", renamed, root=root, path_column="0", label_column="what", settings=SMALL)
    assert chosen.fingerprint == want


def test_name() -> None:
    """The name is checked before anything is read."""
    with pytest.raises(SettingError, match="name must be letters"):
        from_dataframe("a/b", pd.DataFrame({"path": [], "label": []}))
