"""The files of a table: the table among others, and images that lie elsewhere than it says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.errors import DatasetError


def read(path: Path, **options: str) -> ImageDataset:
    return load("table", path, LoadSettings(options={name.replace("_", "-"): value for name, value in options.items()}))


def pictures(make: SimpleNamespace, folder: Path, name: str = "{}.jpg") -> None:
    for number in range(12):
        make.save(folder / name.format(number), seed=number)


def rows(line: str) -> str:
    """Returns twelve rows with the number and one of two labels each."""
    return "".join(line.format(number, "cat" if number % 2 else "dog") + "\n" for number in range(12))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_celeba(make: SimpleNamespace, tmp_path: Path) -> None:
    """A text file with the number of its rows, names of attributes and marks of 1 and -1, and splits beside it."""
    pictures(make, tmp_path / "img_align_celeba", "{:06}.jpg")
    marks = "".join(f"{n:06}.jpg  {1 if n % 2 else -1} {1 if n % 3 else -1}\n" for n in range(12))
    write(tmp_path / "list_attr_celeba.txt", f"12\nBald Smiling\n{marks}")
    splits = "".join(f"{n:06}.jpg {0 if n < 8 else 1 if n < 10 else 2}\n" for n in range(12))
    write(tmp_path / "list_eval_partition.txt", splits)
    with pytest.raises(
        DatasetError,
        match=r"several \(list_attr_celeba\.txt, list_eval_partition\.txt\); choose one with --option table=PATH",
    ):
        read(tmp_path)
    dataset = read(tmp_path, table="list_attr_celeba.txt")
    assert (dataset.task, dataset.classes) == ("multilabel", ("Bald", "Smiling"))
    assert dataset.labels.tolist() == [[n % 2, int(n % 3 > 0)] for n in range(12)]
    assert [len(rows) for rows in (dataset.train, dataset.validation, dataset.test)] == [8, 2, 2]
    assert "splits are those that list_eval_partition.txt states" in dataset.notes


def test_the_only_text_table_is_found(make: SimpleNamespace, tmp_path: Path) -> None:
    """A list of images and labels is the table; texts that name no images, or nothing else, are none."""
    pictures(make, tmp_path / "pictures")
    write(tmp_path / "README.txt", "twelve pictures of cats and dogs\n" * 3)
    write(tmp_path / "all.txt", rows("{}.jpg"))
    write(tmp_path / "lists" / "labels.txt", rows("{}.jpg {}"))
    assert read(tmp_path).classes == ("cat", "dog")


def test_the_chosen_table_must_be_there(make: SimpleNamespace, tmp_path: Path) -> None:
    """Another path, or a table beside a file, gets one line."""
    pictures(make, tmp_path)
    path = write(tmp_path / "a.csv", "path,label\n" + rows("{}.jpg,{}"))
    with pytest.raises(
        DatasetError, match=r"--option table must be a file in .*, but got 'b\.csv'; its tables are a\.c"
    ):
        read(tmp_path, table="b.csv")
    with pytest.raises(DatasetError, match="--option table chooses among the files of a folder, but --data is a file"):
        read(path, table="a.csv")
    assert len(read(tmp_path, table="a.csv").images) == 12


def test_images_beside_the_tables_folder(make: SimpleNamespace, tmp_path: Path) -> None:
    """ISIC's table lies in a folder of its own; given alone, it is told what to give instead."""
    pictures(make, tmp_path / "input", "ISIC_{}.jpg")
    path = write(tmp_path / "truth" / "truth.csv", "image,label\n" + rows("ISIC_{},{}"))
    assert len(read(tmp_path).images) == 12
    with pytest.raises(
        DatasetError, match=r"no images lie with truth\.csv; give the folder that holds both with --data"
    ):
        read(path)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("/kaggle/input/set/", "/kaggle/input/set"),
        (r"C:\\Users\\me\\", "C:/Users/me"),
        ("set-small/", "set-small"),
        ("/content/pictures/", "/content"),
    ],
)
def test_folders_that_are_not_here(before: str, told: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """Paths of another machine are read without the folders that all begin with."""
    pictures(make, tmp_path / "pictures")
    inside = "" if before.endswith("pictures/") else "pictures/"
    dataset = read(write(tmp_path / "t.csv", "path,label\n" + rows(before + inside + "{}.jpg,{}")))
    assert len(dataset.images) == 12
    assert f"paths in column 'path' begin with {told}, which is not here; they are read without it" in dataset.notes


def test_other_folders_are_never_guessed(make: SimpleNamespace, tmp_path: Path) -> None:
    """A file of the same name in another class's folder is not taken for a missing one."""
    pictures(make, tmp_path / "dog")
    path = write(tmp_path / "t.csv", "path,label\n" + rows("{1}/{0}.jpg,{1}"))
    with pytest.raises(DatasetError, match=r"6 images cannot be used \(line 3: no such file: cat/1\.jpg"):
        read(path)


def test_names_that_end_otherwise(make: SimpleNamespace, tmp_path: Path) -> None:
    """RAF-DB lists `train_1.jpg`, whose aligned file is `train_1_aligned.jpg`; the names state the splits."""
    for number in range(12):
        make.save(tmp_path / "aligned" / f"{'test' if number > 8 else 'train'}_{number}_aligned.jpg", seed=number)
    listed = "".join(f"{'test' if n > 8 else 'train'}_{n}.jpg {n % 2 + 1}\n" for n in range(12))
    write(tmp_path / "labels" / "list_patition_label.txt", listed)
    dataset = read(tmp_path, suffix="_aligned.jpg")
    assert (dataset.classes, len(dataset.test)) == (("1", "2"), 3)
    assert "splits are those that the names of the files begin with" in dataset.notes


def test_masks_are_not_the_images_meant(make: SimpleNamespace, tmp_path: Path) -> None:
    """Oxford's trimaps are called like the photographs; remarks come before the list."""
    pictures(make, tmp_path / "images", "Abyssinian_{}.jpg")
    pictures(make, tmp_path / "annotations" / "trimaps", "Abyssinian_{}.png")
    write(tmp_path / "annotations" / "list.txt", "#Image CLASS-ID\n#ID: 1:2 Class ids\n" + rows("Abyssinian_{} {}"))
    dataset = read(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert all(key.endswith(".jpg") for key in dataset.origins)
