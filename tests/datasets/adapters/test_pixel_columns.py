"""Tables that hold the pixels of their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.datasets.adapters.pixel_columns import pixel_columns
from apertune.errors import DatasetError

SIDE = 8


def drawings(count: int, colours: int = 1) -> NDArray[np.uint8]:
    """Returns images of distinct noise with an empty frame, as drawn digits have, from 0 to 255."""
    pixels = np.random.default_rng(3).integers(0, 256, (count, SIDE, SIDE, colours)).astype(np.uint8)
    pixels[:, 1, 1] = 255
    pixels[:, [0, -1]] = pixels[:, :, [0, -1]] = 0
    return pixels


def table(pixels: NDArray[np.generic], names: Sequence[str] | None = None) -> pd.DataFrame:
    """Returns a table of a column per pixel after one of labels, "5" and "7" in turn."""
    flat = pixels.reshape(len(pixels), -1)
    columns = list(names or [f"pixel{number}" for number in range(flat.shape[1])])
    frame = pd.DataFrame(flat, columns=columns)
    frame.insert(0, "label", [5, 7] * (len(pixels) // 2))
    return frame


def read(path: Path, **options: str) -> ImageDataset:
    return load("table", path, LoadSettings(options={name.replace("_", "-"): value for name, value in options.items()}))


NAMES = {
    "from 0": [f"pixel{number}" for number in range(SIDE**2)],
    "from 1": [f"pixel_{number}" for number in range(1, SIDE**2 + 1)],
    "rows and columns": [f"{row}x{column}" for row in range(1, SIDE + 1) for column in range(1, SIDE + 1)],
    "numbers": [str(number) for number in range(SIDE**2)],
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_a_column_per_pixel(names: list[str], tmp_path: Path) -> None:
    """Images keep their own size and grey, and lines their numbers, whatever the columns are called."""
    pixels = drawings(12)
    table(pixels, names).to_csv(tmp_path / "train.csv", index=False)
    dataset = read(tmp_path / "train.csv")
    assert (dataset.task, dataset.classes, dataset.image_shape) == ("binary", ("5", "7"), (SIDE, SIDE, 1))
    assert np.array_equal(dataset.images, pixels)
    assert dataset.labels.tolist() == [0, 1] * 6
    assert dataset.origins[:2].tolist() == ["line 2", "line 3"]
    assert "images are the table's own pixels, 8x8 in grey" in dataset.notes


def test_columns_are_put_in_their_order(tmp_path: Path) -> None:
    """Columns that come in another order, as from a sorted list of names, make the same image."""
    pixels = drawings(12)
    frame = table(pixels)
    frame[sorted(frame.columns)].to_parquet(tmp_path / "t.parquet")
    assert np.array_equal(read(tmp_path / "t.parquet").images, pixels)


def test_what_the_user_states_wins(tmp_path: Path) -> None:
    """A stated size or number of channels is taken, and is no other cache entry's."""
    path = tmp_path / "t.csv"
    table(drawings(12)).to_csv(path, index=False)
    assert read(path).image_shape == (SIDE, SIDE, 1)
    assert load("table", path, LoadSettings(image_size=128, channels=3)).image_shape == (128, 128, 3)
    assert load("table", path, LoadSettings(channels=3)).image_shape == (SIDE, SIDE, 3)
    assert read(path).image_shape == (SIDE, SIDE, 1)


def test_colours_of_each_pixel_in_turn(tmp_path: Path) -> None:
    """Three numbers per pixel make an image in colour."""
    pixels = drawings(12, colours=3)
    table(pixels).to_csv(tmp_path / "t.csv", index=False)
    dataset = read(tmp_path / "t.csv")
    assert dataset.image_shape == (SIDE, SIDE, 3)
    assert np.array_equal(dataset.images, pixels)
    assert any("red, green and blue of each pixel in turn" in note for note in dataset.notes)


def test_pixels_from_0_to_1_are_scaled(tmp_path: Path) -> None:
    """Floats up to 1 are taken for shares of white."""
    pixels = drawings(12)
    table(pixels / 255).to_csv(tmp_path / "t.csv", index=False)
    assert np.array_equal(read(tmp_path / "t.csv").images, pixels)


def test_dark_pixels_are_asked_about(tmp_path: Path) -> None:
    """A note says that no pixel comes near 255, and an option states white."""
    levels = drawings(12) // 16
    table(levels).to_csv(tmp_path / "t.csv", index=False)
    assert any(
        "no pixel is above 15 of 255" in note and "pixel-max=15" in note for note in read(tmp_path / "t.csv").notes
    )
    dataset = read(tmp_path / "t.csv", pixel_max="15")
    assert np.array_equal(dataset.images, levels * 17)
    assert not any("no pixel is above" in note for note in dataset.notes)


@pytest.mark.parametrize("last", [False, True], ids=["labels first", "labels last"])
def test_a_table_without_names(last: bool, tmp_path: Path) -> None:
    """The first line may be an image; the labels are the one of the outer columns that varies."""
    pixels = drawings(12)
    frame = table(pixels)
    if last:
        frame = frame[[*frame.columns[1:], "label"]]
    frame.to_csv(tmp_path / "t.csv", index=False, header=False)
    dataset = read(tmp_path / "t.csv")
    assert dataset.classes == ("5", "7")
    assert np.array_equal(dataset.images, pixels)
    assert dataset.origins[0] == "line 1"


def test_a_table_without_names_that_is_not_plain(tmp_path: Path) -> None:
    """The user is asked for a line of names where both outer columns vary."""
    pixels = drawings(12)
    pixels[:, -1, -1] = np.arange(12)[:, None]
    table(pixels).to_csv(tmp_path / "t.csv", index=False, header=False)
    with pytest.raises(DatasetError, match="whether the first or the last column holds the labels; write a first line"):
        read(tmp_path / "t.csv")


def test_all_pixels_in_a_cell(tmp_path: Path) -> None:
    """A column `pixels` holds images as text, as FER2013's does, with or without brackets."""
    pixels = drawings(12)
    cells = [" ".join(map(str, image.ravel())) for image in pixels]
    cells[1] = f"[{cells[1].replace(' ', ', ')}]"
    pd.DataFrame({"gender": [0, 1] * 6, "age": range(12), "pixels": cells}).to_csv(tmp_path / "t.csv", index=False)
    dataset = read(tmp_path / "t.csv", label_column="gender")
    assert np.array_equal(dataset.images, pixels)
    assert dataset.classes == ("0", "1")


def test_tables_of_the_splits(tmp_path: Path) -> None:
    """A table per split is read together; one without labels, as Kaggle's test.csv, is left out with a line."""
    pixels = drawings(20)
    table(pixels[:12]).to_csv(tmp_path / "mnist_train.csv", index=False)
    table(pixels[12:]).to_csv(tmp_path / "mnist_test.csv", index=False)
    dataset = load("table", tmp_path)
    assert len(dataset.test) == 8
    assert {"mnist_train.csv line 2", "mnist_test.csv line 2"} <= set(dataset.origins.tolist())
    table(pixels[12:]).drop(columns="label").to_csv(tmp_path / "mnist_test.csv", index=False)
    assert "left out mnist_test.csv, which lacks the column label" in load("table", tmp_path).notes


def test_wrong_pixels_are_refused_by_line(tmp_path: Path) -> None:
    """Numbers out of range and empty cells are named with their line, and can be left out."""
    frame = table(drawings(14)).astype(object)
    frame.loc[1, "pixel10"], frame.loc[2, "pixel11"] = 300, ""
    frame.to_csv(tmp_path / "t.csv", index=False)
    message = (
        r"line 3: pixels must be from 0 to 255, but one is 300; line 4: pixels must be from 0 to 255, but one is m"
    )
    with pytest.raises(DatasetError, match=message):
        read(tmp_path / "t.csv")
    assert len(load("table", tmp_path / "t.csv", LoadSettings(skip_bad=True)).images) == 12
    frame.loc[1, "pixel10"] = "white"
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DatasetError, match=r"t\.csv cannot be read: .*'white'"):
        read(tmp_path / "t.csv")


@pytest.mark.parametrize("given", ["0", "-1", "white", "nan", "inf"])
def test_pixel_max_is_a_number(given: str, tmp_path: Path) -> None:
    """The option takes a number above 0."""
    table(drawings(12)).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DatasetError, match=f"pixel-max must be a number above 0, such as 16, but got {given}"):
        read(tmp_path / "t.csv", pixel_max=given)


def test_numbers_that_make_no_square(tmp_path: Path) -> None:
    """As many columns as make no square image are refused with a way out."""
    frame = table(drawings(12)).drop(columns="pixel63").assign(pixel64=0, pixel65=0)
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DatasetError, match=r"its 65 columns pixel0 to pixel65 make no square image.*from Python"):
        read(tmp_path / "t.csv")


def test_paths_win_over_numbers() -> None:
    """Fewer columns than an image has are no pixels, and those of other names none of theirs."""
    assert pixel_columns(["path", *map(str, range(20))]) == []
    many = [f"pixel{number}" for number in range(64)]
    assert pixel_columns(["id", "1", *reversed(many)]) == many
