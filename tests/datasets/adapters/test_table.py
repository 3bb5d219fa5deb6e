"""Tables as people write them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
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


@pytest.mark.parametrize(
    ("column", "cells", "labels", "note"),
    [
        pytest.param(
            "tags",
            ["clear primary", "haze primary", "clear", "haze"],
            ("clear", "haze", "primary"),
            "each word in column 'tags' is a label of its own; --option label-separator=none reads cells whole",
            id="Planet's words",
        ),
        pytest.param("Target", ["0 25", "1", "2 25 7", "7"], ("0", "1", "2", "25", "7"), None, id="numbers"),
        pytest.param(
            "genre",
            ["['Action', 'Drama']", "['Drama']", "[]", '["Comedy"]'],
            ("Action", "Comedy", "Drama"),
            None,
            id="Python's lists",
        ),
        pytest.param("genre", ["['a' 'b']", "['b']", "['c']", "['a']"], ("a", "b", "c"), None, id="NumPy's lists"),
        pytest.param("genre", ["[1, 2]", "[2]", "[3]", "[1]"], ("1", "2", "3"), None, id="lists of numbers"),
    ],
)
def test_several_labels_without_a_separator_of_their_own(
    column: str, cells: list[str], labels: tuple[str, ...], note: str | None, make: SimpleNamespace, tmp_path: Path
) -> None:
    """Words in a column whose name says several labels, numbers, and lists written as texts are several labels."""
    names = pictures(make, tmp_path, 12)
    lines = [f"{name}\t{cells[number % len(cells)]}" for number, name in enumerate(names)]
    dataset = read(write(tmp_path / "t.tsv", [f"id\t{column}", *lines]), label_column=column)
    assert (dataset.task, dataset.classes) == ("multilabel", labels)
    assert note is None or note in dataset.notes


def test_words_in_names_of_classes(make: SimpleNamespace, tmp_path: Path) -> None:
    """A class may have a name of several words; a line says how to read them where each stands elsewhere, too."""
    names = pictures(make, tmp_path, 12)

    def table(file: str, column: str, cells: list[str]) -> Path:
        lines = [f"{name},{cells[number % len(cells)]}" for number, name in enumerate(names)]
        return write(tmp_path / file, [f"path,{column}", *lines])

    breeds = read(table("a.csv", "label", ["Maine Coon", "Boston Terrier", "Terrier"]))
    assert breeds.classes == ("Boston Terrier", "Maine Coon", "Terrier")
    assert not any("label-separator" in note for note in breeds.notes)
    path = table("b.csv", "label", ["clear sky", "clear", "sky"])
    whole = read(path)
    assert whole.classes == ("clear", "clear sky", "sky")
    assert (
        "'clear sky' in column 'label' is read as one class; give --option label-separator=space if its words are "
        "labels of their own"
    ) in whole.notes
    assert read(path, label_separator="space").classes == ("clear", "sky")
    with pytest.raises(
        DatasetError, match="'clear sky' may be several labels in one cell; give --option label-separator=sp"
    ):
        read(table("c.csv", "tags", ["clear sky", "clear", "sea"]))


@pytest.mark.parametrize(
    ("column", "words", "parts"),
    [
        ("split", ["train", "val", "test"], [4, 4, 4]),
        ("partition", ["0", "1", "2"], [4, 4, 4]),
        ("partition", ["7", "8", "9"], None),
        ("is_valid", ["False", "True", "False"], [8, 2, 2]),
    ],
)
def test_columns_that_state_splits(
    column: str, words: list[str], parts: list[int] | None, make: SimpleNamespace, tmp_path: Path
) -> None:
    """A column of splits, CelebA's numbers or fastai's flags; other numbers are none."""
    names = pictures(make, tmp_path, 12)
    lines = [f"{name},{'cat' if number % 2 else 'dog'},{words[number % 3]}" for number, name in enumerate(names)]
    dataset = read(write(tmp_path / "t.csv", [f"path,label,{column}", *lines]))
    found = [len(rows) for rows in (dataset.train, dataset.validation, dataset.test)]
    assert found == parts if parts is not None else sum(found) == 12


def test_persons_are_pointed_out(make: SimpleNamespace, tmp_path: Path) -> None:
    """A column of patients whose images would come into several splits gets a line, unless they are grouped."""
    names = pictures(make, tmp_path, 12)
    lines = [f"{name},{'cat' if number % 2 else 'dog'},P{number // 3}" for number, name in enumerate(names)]
    path = write(tmp_path / "t.csv", ["path,label,Patient ID", *lines])
    told = "column 'Patient ID' has 4 values for 12 images; --group 'Patient ID' keeps the images of each in one split"
    assert told in read(path).notes
    assert told not in load("table", path, LoadSettings(group="Patient ID")).notes


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
    with pytest.raises(DatasetError, match=r"label-separator must be a text such as \| or space, or none"):
        load("table", path, LoadSettings(options={"label-separator": ""}))


def published(make: SimpleNamespace, root: Path, header: str, lines: list[str], folder: str = "") -> Path:
    """Makes the images 0.jpg to 11.jpg and a table of them; `{}` in a line is the image's number."""
    for number in range(12):
        make.save(root / folder / f"{number}.jpg", seed=number)
    return write(root / "t.csv", [header, *(lines[number % len(lines)].format(number) for number in range(12))])


@pytest.mark.parametrize(
    ("header", "lines", "classes"),
    [
        pytest.param("id,breed", ["{},pug", "{},boxer"], ("boxer", "pug"), id="dog breeds"),
        pytest.param("lesion_id,image_id,dx,age", ["L{},{},nv,30", "L{},{},mel,40"], ("mel", "nv"), id="HAM10000"),
        pytest.param("Width,ClassId,Path", ["9,0,{}.jpg", "9,1,{}.jpg"], ("0", "1"), id="GTSRB"),
        pytest.param("where,what", ["{}.jpg,cat", "{}.jpg,dog"], ("cat", "dog"), id="names of nobody's"),
        pytest.param("number,where,label", ["{0},{0}.jpg,cat", "{0},{0}.jpg,dog"], ("cat", "dog"), id="numbers beside"),
        pytest.param(",file,label", ["0,{}.jpg,cat", "1,{}.jpg,dog"], ("cat", "dog"), id="a column of row numbers"),
    ],
)
def test_columns_are_found(
    header: str, lines: list[str], classes: tuple[str, ...], make: SimpleNamespace, tmp_path: Path
) -> None:
    """Columns are told by the names that published tables give them, and by whether their cells name files."""
    lines = [line.replace("L{},{}", "L,{}") for line in lines]
    dataset = read(published(make, tmp_path, header, lines))
    assert dataset.classes == classes
    assert len(dataset.images) == 12


def test_images_in_several_folders_are_found_by_name(make: SimpleNamespace, tmp_path: Path) -> None:
    """A name without its folder is looked for below the table; one that several files have is refused."""
    for number in range(12):
        make.save(tmp_path / f"part_{number % 2}" / f"{number}.jpg", seed=number)
    table = write(tmp_path / "t.csv", ["id,label", *(f"{number},{'ab'[number % 3 > 0]}" for number in range(12))])
    assert len(read(table).images) == 12
    make.save(tmp_path / "test" / "3.jpg", seed=50)
    with pytest.raises(DatasetError, match=r"line 5: several files are called 3, such as part_1/3.jpg and test/3.jpg"):
        read(table)


def test_columns_of_marks_are_labels(make: SimpleNamespace, tmp_path: Path) -> None:
    """Columns of 0 and 1 are several labels per image, or classes where each row marks exactly one."""
    several = read(published(make, tmp_path / "a", "image_id,smiling,young", ["{},1,-1", "{},1,1", "{},-1,-1"]))
    assert (several.task, several.classes) == ("multilabel", ("smiling", "young"))
    assert several.labels.sum(axis=0).tolist() == [8, 4]
    assert "labels are the columns smiling, young" in several.notes
    one = read(published(make, tmp_path / "b", "image_id,healthy,rust,scab", ["{},1,0,0", "{},0,1,0", "{},0,0,1.0"]))
    assert (one.task, one.classes) == ("multiclass", ("healthy", "rust", "scab"))
    assert "classes are the columns healthy, rust, scab, of which each row marks one" in one.notes


def test_unknown_labels_neither_count_nor_teach(make: SimpleNamespace, tmp_path: Path) -> None:
    """An empty cell is unknown, and so is -1 beside 0; without any 0, -1 means that the label is not there."""
    lines = ["{}.jpg,1.0,0.0", "{}.jpg,-1.0,1.0", "{}.jpg,,1.0", "{}.jpg,0.0,0.0"]
    dataset = read(published(make, tmp_path, "Path,Edema,Fracture", lines), label_columns="Edema,Fracture")
    assert "6 labels empty or -1 in the table: unknown, so not scored" in dataset.notes
    masked = sum(np.ma.getmaskarray(dataset.scored_labels(split)).sum() for split in ("train", "validation", "test"))
    assert masked == 6
    with pytest.raises(DatasetError, match=r"label column 'Edema' must hold only 0 and 1.* but holds maybe"):
        read(published(make, tmp_path, "Path,Edema,Fracture", ["{}.jpg,maybe,0"]), label_columns="Edema,Fracture")


def test_tables_of_splits_are_read_together(make: SimpleNamespace, tmp_path: Path) -> None:
    """Tables named like splits, or in folders that are, are one data set; one without labels is left out."""
    for split, count in (("train", 12), ("valid", 4), ("test", 4)):
        for number in range(count):
            make.save(tmp_path / split / f"{number}.jpg", seed=hash(split) % 1000 + number)
        rows = [f"{number}.jpg,{number % 2},{1 - number % 2}" for number in range(count)]
        write(tmp_path / split / "_classes.csv", ["filename, cat, dog", *rows])
    dataset = load("table", tmp_path)
    assert (dataset.task, dataset.classes) == ("binary", ("cat", "dog"))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 4, 4)

    kaggle = tmp_path / "kaggle"
    for number in range(16):
        make.save(kaggle / "images" / f"{number}.png", seed=500 + number)
    write(kaggle / "train.csv", ["id_code,diagnosis", *(f"{number},{number % 2}" for number in range(12))])
    write(kaggle / "test.csv", ["id_code", *(str(number) for number in range(12, 16))])
    write(kaggle / "sample_submission.csv", ["id_code,diagnosis", *(f"{number},0" for number in range(12, 16))])
    dataset = load("table", kaggle)
    assert len(dataset.images) == 12
    assert len(dataset.test) > 0
    assert {
        "left out test.csv, which lacks the column diagnosis",
        "left out sample_submission.csv, which is named like no split",
    } <= set(dataset.notes)


def test_a_fault_names_its_table(make: SimpleNamespace, tmp_path: Path) -> None:
    """The one of several tables that has the fault is named."""
    for number in range(8):
        make.save(tmp_path / f"{number}.jpg", seed=number)
    write(tmp_path / "train.csv", ["path,label", *(f"{number}.jpg,{'ab'[number % 2]}" for number in range(6))])
    write(tmp_path / "test.csv", ["path,label", "6.jpg,a", "9.jpg,b"])
    with pytest.raises(DatasetError, match=r"test.csv line 3: no such file: 9.jpg"):
        load("table", tmp_path)


def test_shards_of_hugging_face_are_read_together(make: SimpleNamespace, tmp_path: Path) -> None:
    """Parquet files of one split are parts of it, and their images do not take each other's place."""
    for split, shard, count in (("train", 0, 6), ("train", 1, 6), ("test", 0, 4)):
        rows = []
        for number in range(count):
            make.save(tmp_path / "one.png", seed=100 * shard + number + 1000 * (split == "test"))
            rows.append({"image": {"bytes": (tmp_path / "one.png").read_bytes(), "path": None}, "label": number % 2})
        (tmp_path / "data").mkdir(exist_ok=True)
        pd.DataFrame(rows).to_parquet(tmp_path / "data" / f"{split}-{shard:05d}-of-00002.parquet")
    dataset = load("table", tmp_path / "data")
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (12, 4)
    assert len({image.tobytes() for image in dataset.images}) == 16


@pytest.mark.parametrize(
    ("header", "line", "message"),
    [
        ("file,target", "{0}.jpg,0.{0}7", "column 'target' holds 12 for 12 images, such as '0.07'; name another"),
    ],
)
def test_tables_of_something_else_are_refused(
    header: str, line: str, message: str, make: SimpleNamespace, tmp_path: Path
) -> None:
    """Numbers to predict are no classes."""
    with pytest.raises(DatasetError, match=message):
        read(published(make, tmp_path, header, [line]))
