"""FER2013 as CSV, as folders, and with FER+ labels."""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apertune.datasets import LoadSettings, load
from apertune.datasets.adapters.pixel_text import parse_rows
from apertune.errors import DatasetError


@pytest.fixture
def csv(make: SimpleNamespace, tmp_path: Path) -> Path:
    path: Path = make.fer2013(tmp_path / "fer2013.csv")
    return path


def test_csv(csv: Path, make: SimpleNamespace) -> None:
    """Pixels, emotion codes and the usages Training, PublicTest and PrivateTest are read as they are written."""
    dataset = load("fer2013", csv)
    assert dataset.classes == ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
    assert dataset.images.shape == (70, 48, 48, 1)
    for row in (0, 33, 69):
        assert np.array_equal(dataset.images[row], make.picture(row, 48, 48, 1))
        assert dataset.labels[row] == row % 7
        assert dataset.origins[row] == f"line {row + 2}"
    usage = np.arange(70) // 7 % 7
    assert dataset.train.tolist() == np.flatnonzero(usage < 5).tolist()
    assert dataset.validation.tolist() == np.flatnonzero(usage == 5).tolist()
    assert dataset.test.tolist() == np.flatnonzero(usage == 6).tolist()


@pytest.mark.parametrize("header", ["emotion, Usage, pixels", "Usage,pixels,emotion"])
def test_column_order(header: str, csv: Path, make: SimpleNamespace, tmp_path: Path) -> None:
    """Columns may come in any order and with a space in their names, as in icml_face_data.csv."""
    other = make.fer2013(tmp_path / "other" / "icml_face_data.csv", header=header)
    assert load("fer2013", other).fingerprint == load("fer2013", csv).fingerprint


def test_without_usage(make: SimpleNamespace, tmp_path: Path) -> None:
    """Without the Usage column a stratified split is drawn."""
    dataset = load("fer2013", make.fer2013(tmp_path / "train.csv", rows=140, header="emotion,pixels"))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (98, 21, 21)
    assert np.bincount(dataset.labels[dataset.train]).tolist() == [14] * 7


@pytest.mark.parametrize("kind", ["gz", "xz", "zip", "tar.gz"])
def test_compressed(kind: str, csv: Path, tmp_path: Path) -> None:
    """Compressed tables give the same data set."""
    packed = tmp_path / "packed" / f"fer2013.csv.{kind}"
    packed.parent.mkdir()
    if kind == "gz":
        packed.write_bytes(gzip.compress(csv.read_bytes()))
    elif kind == "xz":
        packed.write_bytes(lzma.compress(csv.read_bytes()))
    elif kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            archive.write(csv, "fer2013/fer2013.csv")
    else:
        packed = packed.with_name("fer2013.tar.gz")
        with tarfile.open(packed, "w:gz") as tar:
            tar.add(csv, "fer2013/fer2013.csv")
    assert load("fer2013", packed).fingerprint == load("fer2013", csv).fingerprint


def test_bad_rows(csv: Path) -> None:
    """Malformed rows are counted and named by line, nothing is loaded, and --skip-bad leaves out only these."""
    lines = csv.read_text().splitlines()
    lines[3] = lines[3].replace(" ", " 999 ", 1)
    lines[5] = "9" + lines[5][1:]
    lines[8] = lines[8].rsplit(" ", 1)[0] + ",Training"
    lines[9] = lines[9].replace(" ", " x ", 1)
    lines[11] = lines[11].replace("Training", "Sometimes")
    csv.write_text("\n".join(lines))
    with pytest.raises(DatasetError) as caught:
        load("fer2013", csv)
    message = str(caught.value)
    assert "5 images cannot be used" in message
    assert "line 4: pixels must be from 0 to 255, but one is '999'" in message
    assert "line 6: emotion must be a code from 0 to 6, but is '9'" in message
    assert "line 9: 2,303 pixels instead of 2,304" in message
    assert "and 2 more" in message
    assert "--skip-bad" in message
    dataset = load("fer2013", csv, LoadSettings(skip_bad=True))
    assert len(dataset.images) == 65
    assert "line 4" not in dataset.origins
    assert any("5 images" in note for note in dataset.notes)


def test_wrong_table(tmp_path: Path) -> None:
    """A table without the columns is refused, and the message lists the columns it has."""
    (tmp_path / "faces.csv").write_text("id,pixels\n1,2\n")
    with pytest.raises(DatasetError, match=r"needs the columns emotion and pixels, but it has: id, pixels"):
        load("fer2013", tmp_path / "faces.csv")


def test_folders(make: SimpleNamespace, tmp_path: Path) -> None:
    """The folder form has the classes of the CSV, in the order of the emotion codes, and its own split."""
    dataset = load("fer2013", make.fer2013_folders(tmp_path / "faces"))
    assert dataset.classes[3] == "Happy"
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (28, 14, 14)
    happy = [str(origin) for origin in dataset.origins[dataset.labels == 3]]
    assert all("/happy/" in origin for origin in happy)
    assert len(happy) == 8


def test_ferplus(csv: Path, tmp_path: Path) -> None:
    """FER+ labels take the majority as published, without single votes; the others are left out and counted."""
    names = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = [[0, 10] + [0] * 8, [0] * 7 + [9, 0, 1], [0] * 8 + [10, 0], [0] * 9 + [10], [5, 5] + [0] * 8]
    # The most votes are no majority; but with single votes left out, five of nine are.
    votes += [[4, 3, 3] + [0] * 7, [5, 2, 2, 1] + [0] * 6]
    votes += [[10] + [0] * 9] * 63
    rows = [f"Training,fer{row:07}.png,{','.join(map(str, each))}" for row, each in enumerate(votes)]
    path = tmp_path / "fer2013new.csv"
    path.write_text("\n".join([f"Usage,Image name,{names}", *rows]))
    dataset = load("fer2013", csv, LoadSettings(options={"labels": str(path)}))
    assert len(dataset.images) == 66
    assert [dataset.classes[label] for label in dataset.labels[:3]] == ["Happy", "Contempt", "Neutral"]
    assert dataset.origins[2] == "line 8"
    assert any(
        "left out 2 images voted unknown or no face, and 2 images without a majority" in note for note in dataset.notes
    )


@given(st.lists(st.lists(st.integers(0, 1200).map(str), min_size=0, max_size=6), min_size=1, max_size=8), st.data())
def test_parse_rows(rows: list[list[str]], data: st.DataObject) -> None:
    """Parsing all characters at once agrees with parsing word by word, for right and wrong rows alike."""
    gaps = data.draw(st.sampled_from([" ", "  "]))
    pixels, reasons = parse_rows([gaps.join(words).encode() for words in rows], 3)
    for number, words in enumerate(rows):
        good = len(words) == 3 and all(len(word) <= 3 and int(word) <= 255 for word in words)
        assert (number not in reasons) == good
        if good:
            assert pixels[number].tolist() == [int(word) for word in words]
