"""Tables as people write them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.errors import DatasetError


def pictures(make: SimpleNamespace, folder: Path, count: int = 8) -> list[str]:
    names = [f"{number}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        make.save(folder / name, seed=number)
    return names


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def read(path: Path, **options: str) -> ImageDataset:
    return load("table", path, LoadSettings(options={name.replace("_", "-"): value for name, value in options.items()}))


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """The usual separator that is commonest in the first line separates the columns."""
    rows = [
        separator.join((name, "cat" if number % 2 else "dog")) for number, name in enumerate(pictures(make, tmp_path))
    ]
    dataset = read(write(tmp_path / "t.csv", [separator.join(("file", "label")), *rows]))
    assert dataset.classes == ("cat", "dog")
    assert len(dataset.images) == 8


def test_paths_are_found_as_people_write_them(make: SimpleNamespace, tmp_path: Path) -> None:
    """Absolute paths inside the folder, ids without suffix, a root, and a given suffix lead to the files."""
    names = pictures(make, tmp_path / "images")
    labels = ["cat", "dog"] * 4
    absolute = [f"{tmp_path / 'images' / name},{label}" for name, label in zip(names, labels, strict=True)]
    assert len(read(write(tmp_path / "a.csv", ["path,label", *absolute])).images) == 8
    ids = [f"{name.removesuffix('.jpg')},{label}" for name, label in zip(names, labels, strict=True)]
    assert len(read(write(tmp_path / "b.csv", ["id,label", *ids]), root="images").images) == 8
    assert len(read(tmp_path / "b.csv", root="images", suffix=".jpg").images) == 8
    with pytest.raises(DatasetError, match=r"the path '/etc/hosts' leads out of the table's folder"):
        read(write(tmp_path / "c.csv", ["path,label", "/etc/hosts,cat", *absolute]))


@pytest.mark.parametrize("separator", [",", "|", ";"])
def test_several_labels_in_one_cell(separator: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """Labels that also stand alone, joined in one cell, are several labels."""
    cells = ["cat", "dog", f"cat{separator}dog", "cat", "dog", f"dog{separator}cat", "cat", "dog"]
    rows = [f'{name},"{cell}"' for name, cell in zip(pictures(make, tmp_path), cells, strict=True)]
    dataset = read(write(tmp_path / "t.csv", ["path,label", *rows]), separator=",")
    assert (dataset.task, dataset.classes) == ("multilabel", ("cat", "dog"))
    assert dataset.labels.sum(axis=0).tolist() == [5, 5]


def test_cells_that_are_not_plain_are_asked_for(make: SimpleNamespace, tmp_path: Path) -> None:
    """A cell that may hold one label or several is asked about in one line; names with commas stay."""
    names = pictures(make, tmp_path)
    rows = [f'{name},"{cell}"' for name, cell in zip(names, ["cat", "cat|cow", *["dog"] * 6], strict=True)]
    table = write(tmp_path / "t.csv", ["path,label", *rows])
    with pytest.raises(DatasetError, match=r"'cat\|cow' may be several labels in one cell; give --option label-sep"):
        read(table, separator=",")
    assert read(table, separator=",", label_separator="none").classes == ("cat", "cat|cow", "dog")
    assert read(table, separator=",", label_separator="|").classes == ("cat", "cow", "dog")
    places = [f'{name},"{cell}"' for name, cell in zip(names, ["Paris, France", "Rome, Italy"] * 4, strict=True)]
    assert read(write(tmp_path / "p.csv", ["path,label", *places])).classes == ("Paris, France", "Rome, Italy")


def test_hugging_faces_own_files(make: SimpleNamespace, tmp_path: Path) -> None:
    """`metadata.jsonl` of an image folder, and Parquet that holds the image files, are read."""
    names = pictures(make, tmp_path / "set")
    lines = [json.dumps({"file_name": name, "label": "ab"[number % 2]}) for number, name in enumerate(names)]
    write(tmp_path / "set" / "metadata.jsonl", lines)
    assert load("table", tmp_path / "set").classes == ("a", "b")
    held = [{"bytes": (tmp_path / "set" / name).read_bytes(), "path": name} for name in names]
    (tmp_path / "held").mkdir()
    pd.DataFrame({"image": held, "label": [0, 1] * 4}).to_parquet(tmp_path / "held" / "train.parquet")
    dataset = load("table", tmp_path / "held")
    assert dataset.classes == ("0", "1")
    assert len(dataset.images) == 8


def test_a_json_document_is_no_table(tmp_path: Path) -> None:
    """A JSON document, and a table with endless columns, are refused in one short line."""
    (tmp_path / "coco.json").write_text(json.dumps({"images": ["x" * 100] * 1000}))
    with pytest.raises(DatasetError, match=r"coco\.json is a JSON document, but a table is CSV") as caught:
        load("table", tmp_path / "coco.json")
    assert len(str(caught.value)) < 300
    write(tmp_path / "wide.csv", [",".join(f"column_{number}" for number in range(2000))])
    with pytest.raises(DatasetError, match="no column is known to hold the paths") as caught:
        load("table", tmp_path / "wide.csv")
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("missing", [None, float("nan")])
@pytest.mark.parametrize("names", [("x", "y"), (0, 1)])
def test_a_missing_label_is_no_class(
    missing: float | None, names: tuple[object, object], make: SimpleNamespace, tmp_path: Path
) -> None:
    """A row of a Parquet table without a label is refused by line, and whole numbers stay whole beside it."""
    paths = pictures(make, tmp_path, 12)
    labels = [missing, *(names[number % 2] for number in range(1, 12))]
    path = tmp_path / "t.parquet"
    pd.DataFrame({"path": paths, "label": labels}).to_parquet(path)
    with pytest.raises(DatasetError, match=r"1 image cannot be used \(line 2: no label"):
        load("table", path)
    dataset = load("table", path, LoadSettings(skip_bad=True))
    assert (dataset.classes, len(dataset.images)) == (tuple(map(str, names)), 11)


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "class numbers"])
def test_lists_of_labels(kind: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """A column of lists gives several labels per image, also as numbers whose names Hugging Face keeps beside them."""
    paths = pictures(make, tmp_path, 12)
    labels = [["b", " a"] if number % 3 == 0 else ["b"] if number % 3 == 1 else [] for number in range(12)]
    path = tmp_path / ("metadata.jsonl" if kind == "jsonl" else "t.parquet")
    if kind == "jsonl":
        rows = [{"file_name": name, "labels": one} for name, one in zip(paths, labels, strict=True)]
        path.write_text("\n".join(map(json.dumps, rows)))
    elif kind == "parquet":
        pd.DataFrame({"path": paths, "labels": labels}).to_parquet(path)
    else:
        numbers = [["ab".index(name.strip()) for name in one] for one in labels]
        feature = {"feature": {"names": ["a", "b"], "_type": "ClassLabel"}, "_type": "List"}
        told = json.dumps({"info": {"features": {"labels": feature}}})
        table = pa.table({"path": paths, "labels": numbers}).replace_schema_metadata({"huggingface": told})
        pq.write_table(table, path)
    dataset = load("table", path)
    assert (dataset.task, dataset.classes) == ("multilabel", ("a", "b"))
    assert dataset.labels.tolist() == [[[1, 1], [0, 1], [0, 0]][number % 3] for number in range(12)]


def test_an_empty_label_separator_is_refused(make: SimpleNamespace, tmp_path: Path) -> None:
    """An empty separator gets one line that says what to give."""
    path = make.table(tmp_path / "labels.csv")
    with pytest.raises(DatasetError, match=r"label-separator must be a text such as \| or none"):
        load("table", path, LoadSettings(options={"label-separator": ""}))
