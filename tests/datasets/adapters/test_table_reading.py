"""Tables without a line of names, and lists of paths and labels with spaces between them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import LoadSettings, load

COUNT = 8


def listed(make: SimpleNamespace, folder: Path, name: str, lines: list[str]) -> Path:
    """Writes pictures `0.jpg` and so on, and a list in the same folder."""
    for number in range(COUNT):
        make.save(folder / f"{number}.jpg", seed=number)
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("list.txt", "{0}.jpg {1}"),
        ("list.csv", "{0}.jpg,{1}"),
        ("list.txt", "./{0}.jpg\t{1}"),
        ("list.csv", "{1};{0}.jpg"),
    ],
    ids=["spaces", "commas", "tabs", "labels first"],
)
def test_a_first_line_that_names_an_image_is_a_row(name: str, line: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """No image is lost where the table has no line of names, and a line tells so."""
    path = listed(make, tmp_path, name, [line.format(number, "ab"[number % 2]) for number in range(COUNT)])
    dataset = load("table", path)
    assert (dataset.classes, len(dataset.images)) == (("a", "b"), COUNT)
    assert sorted(dataset.origins.tolist()) == [f"{number}.jpg" for number in range(COUNT)]
    assert f"the first line of {name} is read as an image" in dataset.notes


def test_spaces_separate_only_where_nothing_else_does(make: SimpleNamespace, tmp_path: Path) -> None:
    """A list with a line of names may have spaces, too; in a table with commas, spaces belong to the cells."""
    lines = [f"{number}.jpg {'ab'[number % 2]}" for number in range(COUNT)]
    dataset = load("table", listed(make, tmp_path, "list.txt", ["file label", *lines]))
    assert (dataset.classes, len(dataset.images)) == (("a", "b"), COUNT)
    lines = [f"{number}.jpg,{'a big cat' if number % 2 else 'a small dog'}" for number in range(COUNT)]
    dataset = load("table", listed(make, tmp_path, "list.csv", ["the file,its own label", *lines]))
    assert dataset.classes == ("a big cat", "a small dog")


def test_the_lines_of_rows_are_counted_as_in_an_editor(make: SimpleNamespace, tmp_path: Path) -> None:
    """Without a line of names the first row is line 1."""
    lines = [f"{number}.jpg {'ab'[number % 2]}" for number in range(COUNT)]
    path = listed(make, tmp_path, "list.txt", [*lines[:2], "lost.jpg a", *lines[2:]])
    dataset = load("table", path, LoadSettings(skip_bad=True))
    assert any("1 image that cannot be used" in note for note in dataset.notes)
    with pytest.raises(Exception, match=r"line 3: no such file: lost\.jpg"):
        load("table", path)


def test_a_name_of_a_column_is_no_image(make: SimpleNamespace, tmp_path: Path) -> None:
    """A picture that is called like a column makes no row of the line of names."""
    make.save(tmp_path / "image.jpg", seed=50)
    lines = [f"{number},{'ab'[number % 2]}" for number in range(COUNT)]
    dataset = load("table", listed(make, tmp_path, "list.csv", ["image,label", *lines]))
    assert len(dataset.images) == COUNT


def test_columns_without_names_are_numbered(make: SimpleNamespace, tmp_path: Path) -> None:
    """With more than two columns, options name them by their number."""
    lines = [f"{number} {number}.jpg {'ab'[number % 2]}" for number in range(COUNT)]
    path = listed(make, tmp_path, "list.txt", lines)
    dataset = load("table", path, LoadSettings(options={"label-column": "column 3"}))
    assert (dataset.classes, len(dataset.images)) == (("a", "b"), COUNT)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        pytest.param("path,label\n{}", ("cat", "dog"), id="plain"),
        pytest.param("#path,label\n{}", ("cat", "dog"), id="a mark before the names"),
        pytest.param("# made by hand\n# in 2020\npath,label\n{}", ("cat", "dog"), id="remarks"),
        pytest.param("12\npath,label\n{}", ("cat", "dog"), id="a number of rows"),
        pytest.param("label\n{}", ("cat", "dog"), id="rows named by images"),
    ],
)
def test_lines_before_the_rows(text: str, classes: tuple[str, ...], make: SimpleNamespace, tmp_path: Path) -> None:
    """Remarks, a number of rows, and a line that names but the other columns are no rows."""
    for number in range(12):
        make.save(tmp_path / f"{number}.jpg", seed=number)
    rows = "".join(f"{number}.jpg,{'cat' if number % 2 else 'dog'}\n" for number in range(12))
    (tmp_path / "t.csv").write_text(text.format(rows))
    dataset = load("table", tmp_path / "t.csv")
    assert (dataset.classes, len(dataset.images)) == (classes, 12)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param({f"{n}.jpg": "ab"[n % 2] for n in range(12)}, id="labels by images"),
        pytest.param([{"image": f"{n}.jpg", "label": "ab"[n % 2]} for n in range(12)], id="records"),
        pytest.param({"labels": [[f"{n}.jpg", "ab"[n % 2]] for n in range(12)]}, id="StyleGAN's"),
        pytest.param({f"{n}.jpg": [["a"], ["a", "b"]][n % 2] for n in range(12)}, id="several labels"),
    ],
)
def test_json_documents(held: object, make: SimpleNamespace, tmp_path: Path) -> None:
    """A document of labels is a table, given by its name or found in the folder beside another document."""
    for number in range(12):
        make.save(tmp_path / "images" / f"{number}.jpg", seed=number)
    (tmp_path / "labels.json").write_text(json.dumps(held))
    (tmp_path / "settings.json").write_text(json.dumps({"size": 9, "names": ["a", "b"]}))
    for given in (tmp_path, tmp_path / "labels.json"):
        dataset = load("table", given)
        assert (dataset.classes, len(dataset.images)) == (("a", "b"), 12)
    (tmp_path / "settings.json").write_text("{broken")
    assert len(load("table", tmp_path).images) == 12


def test_separators_at_the_ends_of_rows(make: SimpleNamespace, tmp_path: Path) -> None:
    """A separator behind the last cell of each row moves no cell to another column."""
    for number in range(12):
        make.save(tmp_path / f"{number}.jpg", seed=number)
    rows = "".join(f"{number}.jpg,{'cat' if number % 2 else 'dog'},\n" for number in range(12))
    (tmp_path / "t.csv").write_text(f"path,label\n{rows}")
    assert load("table", tmp_path / "t.csv").classes == ("cat", "dog")
