"""Files of arrays, named and shaped as published ones are."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.errors import DatasetError

SIDE = 8


def pictures(count: int, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    shape = (count, SIDE, SIDE) if channels == 1 else (count, SIDE, SIDE, channels)
    images = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    images[:, 0, 0] = 255
    return images


def numbers(count: int) -> NDArray[np.int64]:
    return np.arange(count) % 2


def read(path: Path, **options: str) -> ImageDataset:
    given = {name.replace("_", "-"): value for name, value in options.items()}
    return load("arrays", path, LoadSettings(options=given))


def test_medmnist(tmp_path: Path) -> None:
    """Six arrays, labels in a column of their own; the splits are the file's, and images keep their size."""
    parts = {"train": pictures(12), "val": pictures(6, seed=1), "test": pictures(8, seed=2)}
    arrays: dict[str, NDArray[Any]] = {f"{part}_images": images for part, images in parts.items()}
    arrays |= {f"{part}_labels": numbers(len(images))[:, None] for part, images in parts.items()}
    np.savez_compressed(tmp_path / "pathmnist.npz", **arrays)
    dataset = read(tmp_path / "pathmnist.npz")
    assert (dataset.task, dataset.classes, dataset.image_shape) == ("binary", ("0", "1"), (SIDE, SIDE, 3))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 6, 8)
    assert np.array_equal(dataset.images[dataset.train], parts["train"])
    assert np.array_equal(dataset.images[dataset.test], parts["test"])
    assert dataset.labels[dataset.validation].tolist() == [0, 1] * 3
    assert dataset.origins[dataset.train][0] == "train 0"


def test_several_labels(tmp_path: Path) -> None:
    """Rows of 0 and 1 are labels that an image may carry together, as ChestMNIST's are."""
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]] * 6)
    np.savez(tmp_path / "chest.npz", train_images=pictures(18, 1), train_labels=labels)
    dataset = read(tmp_path / "chest.npz")
    assert (dataset.task, dataset.classes) == ("multilabel", ("0", "1", "2"))
    assert np.array_equal(dataset.labels, labels)


def test_one_hot_rows_are_classes_unless_stated(tmp_path: Path) -> None:
    """A single 1 per row is a class, with a line that names the option for labels."""
    np.savez(tmp_path / "set.npz", X=pictures(18, 1), y=np.eye(3)[np.arange(18) % 3])
    dataset = read(tmp_path / "set.npz")
    assert dataset.task == "multiclass"
    assert any("for several labels give --option task=multilabel" in note for note in dataset.notes)
    assert read(tmp_path / "set.npz", task="multilabel").task == "multilabel"


def test_patch_camelyon(tmp_path: Path) -> None:
    """A file per array, told by the files' names, with labels that have axes of one number."""
    for part, count in (("train", 12), ("valid", 6), ("test", 6)):
        for kind, values in (("x", pictures(count)), ("y", numbers(count).reshape(-1, 1, 1, 1))):
            with h5py.File(tmp_path / f"camelyonpatch_level_2_split_{part}_{kind}.h5", "w") as file:
                file[kind] = values
    dataset = read(tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 6, 6)
    assert dataset.labels[dataset.train].tolist() == [0, 1] * 6


def test_names_of_classes_are_found(tmp_path: Path) -> None:
    """Texts beside numbers are names of the classes, as in the pictures of cats of a well-known course."""
    for part, count in (("train", 12), ("test", 6)):
        with h5py.File(tmp_path / f"{part}_catvnoncat.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = pictures(count), numbers(count)
            file["list_classes"] = np.array([b"non-cat", b"cat"])
    dataset = read(tmp_path)
    assert (dataset.classes, len(dataset.test)) == (("non-cat", "cat"), 6)
    assert read(tmp_path, positive="non-cat").classes == ("cat", "non-cat")


@pytest.mark.parametrize(
    "names", [("x_train", "y_train"), ("X", "Y"), ("trainX", "trainY"), ("arr_0", "arr_1"), ("faces", "emotion")]
)
def test_pairs_are_told_by_name_or_shape(names: tuple[str, str], tmp_path: Path) -> None:
    """Usual names in any spelling; without them, what has three axes or more holds the images."""
    images, labels = names
    np.savez(tmp_path / "set.npz", **{images: pictures(12), labels: numbers(12)})
    dataset = read(tmp_path / "set.npz")
    assert len(dataset.images) == 12
    assert len(dataset.test) > 0


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("suffix", ["-ubyte", "-ubyte.gz"])
@pytest.mark.parametrize("test", ["t10k", "emnist-letters-test"])
def test_idx(test: str, suffix: str, tmp_path: Path) -> None:
    """Four files as of MNIST, whose test images are called t10k, or of EMNIST, compressed or not."""
    train = test.replace("t10k", "train").replace("-test", "-train")
    for part, count in ((train, 12), (test, 6)):
        write_idx(tmp_path / f"{part}-images-idx3{suffix}", pictures(count, 1))
        write_idx(tmp_path / f"{part}-labels-idx1{suffix}", numbers(count).astype(np.uint8))
    dataset = read(tmp_path)
    assert (dataset.image_shape, len(dataset.test)) == ((SIDE, SIDE, 1), 6)
    assert np.array_equal(dataset.images[dataset.test][..., 0], pictures(6, 1))


def test_files_of_a_folder(tmp_path: Path) -> None:
    """NPY files stand beside each other."""
    np.save(tmp_path / "X_train.npy", pictures(12))
    np.save(tmp_path / "y_train.npy", np.array(["cat", "dog"] * 6))
    dataset = read(tmp_path)
    assert dataset.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        (np.moveaxis(pictures(12), -1, 1), (SIDE, SIDE, 3)),
        (pictures(12, 1)[:, None], (SIDE, SIDE, 1)),
        (pictures(12, 1).reshape(12, -1), (SIDE, SIDE, 1)),
        (pictures(12).reshape(12, -1), (SIDE, SIDE, 3)),
        (pictures(12)[:, :6], (SIDE, SIDE, 3)),
    ],
    ids=["channels first", "grey first", "flat", "flat in colour", "no squares"],
)
def test_images_of_all_shapes(given: NDArray[np.uint8], shape: tuple[int, ...], tmp_path: Path) -> None:
    """Channels come first or last, pixels in a row, and sides of any length."""
    np.savez(tmp_path / "set.npz", x=given, y=numbers(12))
    assert read(tmp_path / "set.npz").image_shape == shape


def test_channels_first_are_the_same_pictures(tmp_path: Path) -> None:
    """The axis of channels is moved, not cut."""
    images = pictures(12)
    np.savez(tmp_path / "set.npz", x=np.moveaxis(images, -1, 1), y=numbers(12))
    assert np.array_equal(read(tmp_path / "set.npz").images, images)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "bool"])
def test_pixels_from_0_to_1(dtype: str, tmp_path: Path) -> None:
    """Floats up to 1 are shares of white; marks are black and white."""
    images = pictures(12) if dtype != "bool" else pictures(12) // 128 * 255
    np.savez(tmp_path / "set.npz", x=(images / 255).astype(dtype), y=numbers(12))
    assert np.array_equal(read(tmp_path / "set.npz").images, images)


def test_other_ranges(tmp_path: Path) -> None:
    """Sixteen levels can be stated; pixels below 0, and above 255 without a word, are refused."""
    levels = pictures(12) // 16
    np.savez(tmp_path / "set.npz", x=levels, y=numbers(12))
    assert any("pixel-max=15" in note for note in read(tmp_path / "set.npz").notes)
    assert np.array_equal(read(tmp_path / "set.npz", pixel_max="15").images, levels * 17)
    np.savez(tmp_path / "signed.npz", x=pictures(12) / 127.5 - 1, y=numbers(12))
    with pytest.raises(DatasetError, match=r"lie from -1 to 1; give such images from Python, with their pixel_range"):
        read(tmp_path / "signed.npz")
    np.savez(tmp_path / "deep.npz", x=pictures(12).astype(np.uint16) * 257, y=numbers(12))
    with pytest.raises(DatasetError, match=r"must be from 0 to 255, but lie from 0 to 65535; state white with --opt"):
        read(tmp_path / "deep.npz")
    assert np.array_equal(read(tmp_path / "deep.npz", pixel_max="65535").images, pictures(12))


def test_pixels_that_are_no_numbers(tmp_path: Path) -> None:
    """Such images are refused by their number, and can be left out."""
    images = pictures(14).astype(np.float32)
    images[3, 1, 1, 1] = np.nan
    np.savez(tmp_path / "set.npz", x=images, y=numbers(14))
    with pytest.raises(DatasetError, match=r"1 image cannot be used \(row 3: pixels that are no numbers\)"):
        read(tmp_path / "set.npz")
    assert len(load("arrays", tmp_path / "set.npz", LoadSettings(skip_bad=True)).images) == 13


def test_what_is_not_plain_is_asked(tmp_path: Path) -> None:
    """Two arrays of images, none of labels, or unequal lengths are one line each, with the way out."""
    images = pictures(12)
    np.savez(tmp_path / "two.npz", x_left=images, x_right=images, y=numbers(12))
    with pytest.raises(DatasetError, match=r"several arrays may hold the images: two\.npz x_left, two\.npz x_right"):
        read(tmp_path / "two.npz")
    assert len(read(tmp_path / "two.npz", images="left").images) == 12
    np.savez(tmp_path / "none.npz", x=images)
    with pytest.raises(DatasetError, match=r"no array is known to hold the labels.* none\.npz x \(12, 8, 8, 3\)"):
        read(tmp_path / "none.npz")
    np.savez(tmp_path / "short.npz", x=images, y=numbers(11))
    with pytest.raises(DatasetError, match=r"x holds 12 images, but short\.npz y 11 labels"):
        read(tmp_path / "short.npz")
    np.savez(tmp_path / "rows.npz", x=np.zeros((12, 5)), y=numbers(12))
    with pytest.raises(DatasetError, match=r"rows\.npz x must hold images \(n, height, width\).*float64 \(12, 5\)"):
        read(tmp_path / "rows.npz")


def test_a_split_without_labels_is_left_out(tmp_path: Path) -> None:
    """Test images of a contest have no labels; a line says that they are left out."""
    np.savez(tmp_path / "set.npz", x_train=pictures(12), y_train=numbers(12), x_test=pictures(6))
    dataset = read(tmp_path / "set.npz")
    assert len(dataset.images) == 12
    assert "left out set.npz x_test, which have no labels" in dataset.notes


def test_objects_and_damage_are_refused(tmp_path: Path) -> None:
    """Arrays of Python objects would run code, and are never read; damage is one line."""
    np.savez(tmp_path / "objects.npz", x=np.array([{}, {}], object), y=numbers(2))
    with pytest.raises(DatasetError, match=r"objects\.npz cannot be read: .*Python objects"):
        read(tmp_path / "objects.npz")
    for name in ("broken.npz", "broken.npy", "broken.h5", "broken.mat", "broken-idx3-ubyte"):
        (tmp_path / name).write_bytes(b"no arrays")
        with pytest.raises(DatasetError, match=name.replace(".", r"\.")):
            read(tmp_path / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jpg").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"must be an NPZ, NPY, HDF5, IDX or MATLAB file, or a folder.* holds \.jpg"):
        read(tmp_path / "folder")


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_svhn(version: str, tmp_path: Path) -> None:
    """MATLAB's files have images on the last axis and labels in a column; those of version 7.3 are HDF5."""
    held = {"train": pictures(12), "test": pictures(8, seed=1), "extra": pictures(4, seed=2)}
    for part, images in held.items():
        arrays = {"X": np.moveaxis(images, 0, -1), "y": numbers(len(images))[:, None] + 1}
        path = tmp_path / f"{part}_32x32.mat"
        if version == "5":
            scipy.io.savemat(path, arrays)
            continue
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, values in arrays.items():
                file[name] = values.T
    dataset = read(tmp_path)
    assert (dataset.classes, len(dataset.images)) == (("1", "2"), 20)
    assert [len(dataset.train) + len(dataset.validation), len(dataset.test)] == [12, 8]
    np.testing.assert_array_equal(dataset.images[int(dataset.test[0])], held["test"][0])
    assert "left out extra_32x32.mat X, which names no split" in dataset.notes
