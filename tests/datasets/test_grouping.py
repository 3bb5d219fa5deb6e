"""Images of one group, such as a person or a video, never lie on both sides of a split or fold."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.datasets.arrays import EntryArrays
from apertune.datasets.splits.folding import fold_views
from apertune.errors import UserError
from apertune.search.tracking.provenance import logged_dataset


@pytest.fixture
def patients(make: SimpleNamespace, tmp_path: Path) -> Path:
    """A table of 20 patients, each with 2 to 4 images of both classes, and their images in folders."""
    root = tmp_path / "clinic"
    lines, seed = ["path,label,patient"], 0
    for patient in range(20):
        for image in range(2 + patient % 3):
            seed += 1
            label = ("ill", "well")[image % 2]
            path = f"{label}/p{patient:02}/scan_{image}.png"
            make.save(root / path, seed=seed)
            lines.append(f"{path},{label},P-{patient}")
    (root / "table.csv").write_text("\n".join(lines))
    return root


def patient_of(origin: str) -> str:
    return origin.split("/")[1]


def sides(dataset: ImageDataset) -> list[set[str]]:
    """The patients of each split."""
    return [
        {patient_of(dataset.origins[row]) for row in dataset.rows(split)} for split in ("train", "validation", "test")
    ]


RULES = [("table", "patient"), ("folders", "2"), ("folders", 2), ("folders", "-1"), ("folders", r"/(p\d+)/")]


@pytest.mark.parametrize(("name", "group"), RULES)
def test_no_patient_is_in_two_splits(patients: Path, name: str, group: str | int) -> None:
    """By column, folder level or pattern, each patient is in one split, whatever the seed; all splits hold images."""
    data = patients / "table.csv" if name == "table" else patients
    for seed in range(3):
        dataset = load(name, data, LoadSettings(group=group, seed=seed))
        found = sides(dataset)
        assert sum(map(len, found)) == len(set().union(*found)) == 20
        assert [len(part) for part in found] == pytest.approx([14, 3, 3], abs=2)
        assert any(note.startswith("20 groups by ") for note in dataset.notes)


@pytest.mark.parametrize(("name", "group"), RULES)
def test_no_patient_is_in_two_folds(patients: Path, name: str, group: str | int) -> None:
    """Folds keep each patient on one side, too."""
    data = patients / "table.csv" if name == "table" else patients
    view = load(name, data, LoadSettings(group=group)).training_view()
    for fold in fold_views(view, 4, seed=0):
        train, validation = ({patient_of(each) for each in fold.origins(split)} for split in ("train", "validation"))
        assert validation
        assert not train & validation


def test_copies_of_a_picture_tie_groups(patients: Path) -> None:
    """Two patients who share a picture stay on one side, since both rules hold."""
    (patients / "ill/p07/scan_0.png").write_bytes((patients / "ill/p11/scan_0.png").read_bytes())
    for seed in range(6):
        for side in sides(load("folders", patients, LoadSettings(group="2", seed=seed))):
            assert len(side & {"p07", "p11"}) != 1


def test_groups_are_in_fingerprint_and_provenance(patients: Path) -> None:
    """Data with groups have another fingerprint, which is the same for the same groups; MLflow shows the rule."""
    plain, level, pattern = (
        load("folders", patients, LoadSettings(group=group, split=(1.0, 0.0, 0.0))) for group in (None, "2", "p..")
    )
    assert plain.train.tolist() == level.train.tolist()
    assert plain.fingerprint != level.fingerprint == pattern.fingerprint
    assert logged_dataset(level).facts["groups"] == "folder level 2"
    assert logged_dataset(pattern).facts["groups"] == "pattern p.."
    assert "groups" not in logged_dataset(plain).facts


def test_groups_are_found_once(patients: Path) -> None:
    """Opening the data set again reads the groups from the cache entry."""
    first, again = (load("folders", patients, LoadSettings(group="2")) for _ in range(2))
    assert len(list(first.folder.glob("groups-*.npz"))) == 1
    assert first.fingerprint == again.fingerprint
    assert first.grouping is not None
    rows = first.grouping.rows("folders", EntryArrays(first.folder))
    assert [rows[row] == rows[0] for row in range(4)] == [
        patient_of(first.origins[row]) == patient_of(first.origins[0]) for row in range(4)
    ]


def stated(make: SimpleNamespace, root: Path) -> Path:
    """Stated splits in which patient p1 occurs in train and test."""
    for split, persons in (("train", ("p1", "p2", "p3")), ("val", ("p4",)), ("test", ("p1", "p5"))):
        for number, label in enumerate(("ill", "well")):
            for image in range(3):
                for person in persons:
                    seed = 1000 * number + 100 * int(person[1]) + 10 * len(split) + image
                    make.save(root / split / label / f"{person}_{image}.png", seed=seed)
    return root


def test_a_group_that_crosses_stated_splits(make: SimpleNamespace, tmp_path: Path) -> None:
    """It is refused in one line; with --drop-leaks its training images are left out."""
    root = stated(make, tmp_path / "s")
    with pytest.raises(
        UserError, match=r"1 group lies in several splits .* of train/ill/p1_0.png and test/ill/p1_0.png; leave out"
    ):
        load("folders", root, LoadSettings(group=r"(p\d)_"))
    dropped = load("folders", root, LoadSettings(group=r"(p\d)_", drop_leaks=True))
    assert (len(dropped.train), len(dropped.test)) == (12, 12)
    assert "--drop-leaks left out 6 training images and 0 validation images" in " ".join(dropped.notes)
    assert not any("p1" in origin for origin in dropped.origins[dropped.train])


def test_the_folders_of_splits_are_no_groups(make: SimpleNamespace, tmp_path: Path) -> None:
    """A level that names the split folders is refused, since it would keep nothing together in folds."""
    root = stated(make, tmp_path / "s")
    with pytest.raises(UserError, match="by folder level 1 each split is one group"):
        load("folders", root, LoadSettings(group="1"))


@pytest.mark.parametrize(
    ("name", "group", "said"),
    [
        ("folders", "0", "--group must be a folder level from 1 (the topmost) or -1 (the image's own), but got 0"),
        ("folders", "3", "--group 3 names a folder level, but ill/p00/scan_0.png lies 2 folders deep"),
        ("folders", "(p", "'(p' is no pattern: missing )"),
        ("folders", "video", "'video' matches none of 59 paths; for example not ill/p00/scan_0.png"),
        ("folders", r"p1\d", "'p1\\d' matches 30 of 59 paths; for example not ill/p00/scan_0.png"),
        ("folders", ".", "--group must make at least 3 groups, one for each split, but pattern . makes 2"),
        ("folders", "1", "--group must make at least 3 groups, one for each split, but folder level 1 makes 2"),
        ("table", "patiant", "a column of the table, a folder level such as 1, or a pattern that matches every path"),
        ("digits", "1", "--group 1 names a folder level, but digit 0 lies in no folder"),
    ],
)
def test_wrong_use_gives_one_line(patients: Path, name: str, group: str, said: str) -> None:
    """A rule that cannot be used ends the command with status 2 and one line that names the rule."""
    data = [] if name == "digits" else ["--data", str(patients / "table.csv" if name == "table" else patients)]
    words = ["apertune", "datasets", "describe", name, *data, "--group", group, "--json"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert said in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1


def test_each_class_one_group_is_refused(make: SimpleNamespace, tmp_path: Path) -> None:
    """Groups that are the classes leave no split with all classes, which is refused."""
    root = make.folders(tmp_path / "a", ("cat", "dog", "elk"), count=4)
    with pytest.raises(UserError, match="by folder level 1 each class is one group"):
        load("folders", root, LoadSettings(group="1"))


def test_a_row_without_a_group(patients: Path) -> None:
    """A row whose group is missing is refused by its line, or left out with --skip-bad."""
    table = patients / "table.csv"
    table.write_text(table.read_text().replace("P-0\n", "\n", 1))
    with pytest.raises(UserError, match=r"1 image cannot be used .line 2: no group."):
        load("table", table, LoadSettings(group="patient"))
    assert len(load("table", table, LoadSettings(group="patient", skip_bad=True)).images) == 58


def test_description_tells_the_groups(patients: Path) -> None:
    """`describe --json` has the rule and the number of groups."""
    words = ["apertune", "datasets", "describe", "folders", "--data", str(patients), "--group", "2", "--json"]
    answer = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout)["groups"] == {"by": "folder level 2", "count": 20}


def test_frames_of_a_video(make: SimpleNamespace, tmp_path: Path) -> None:
    """Simpsons' frames whose names tell the video stay together; names such as pic_0000 tell none."""
    options = {"min-images": "0"}
    plain = load("simpsons", make.simpsons(tmp_path / "plain"), LoadSettings(options=options))
    assert plain.grouping is None
    for number, name in enumerate(("bart_simpson", "homer_simpson")):
        for video in range(10):
            for frame in range(3):
                path = f"{name}/s01e{video:02}_frame_{frame:04}.jpg"
                make.save(tmp_path / "told" / path, seed=1000 * number + 10 * video + frame)
    told = load("simpsons", tmp_path / "told", LoadSettings(options=options))
    assert told.grouping is not None
    videos = [
        {str(told.origins[row]).split("/")[1][:6] for row in told.rows(s)} for s in ("train", "validation", "test")
    ]
    assert sum(map(len, videos)) == len(set().union(*videos)) == 10
    assert "10 groups by videos that the frames' names tell" in told.notes[-1]


def test_positions(patients: Path) -> None:
    """Rows that are left out for faults do not shift the groups of the others."""
    (patients / "ill/p00/scan_0.png").write_bytes(b"broken")
    dataset = load("table", patients / "table.csv", LoadSettings(group="patient", skip_bad=True))
    assert dataset.grouping is not None
    groups = dataset.grouping.rows("table", EntryArrays(dataset.folder))
    named = np.array([patient_of(origin) for origin in dataset.origins])
    assert all(len(set(named[groups == group])) == 1 for group in set(groups.tolist()))
    assert len(set(groups.tolist())) == 20
