"""A Hugging Face data set becomes a data set: with a stand-in of its interface, and with the library if it is there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pictures

from apertune.datasets import LoadSettings, from_huggingface, load
from apertune.datasets.audit.auditing import audit
from apertune.errors import DatasetError, SettingError

SMALL = LoadSettings(image_size=16)
NAMES = ["cat", "dog", "hen"]


@dataclass
class Image:
    """The feature of a column of images."""

    decode: bool = True


@dataclass
class ClassLabel:
    """The feature of a column of classes."""

    names: list[str]


@dataclass
class List:
    """The feature of a column of lists."""

    feature: Any


@dataclass
class Value:
    """The feature of a column of plain values."""

    dtype: str


@dataclass
class Array3D:
    """The feature of a column of arrays."""

    shape: tuple[int, ...]
    dtype: str


class Pretended:
    """Stands in for `datasets.Dataset`, in as much as is documented of it and used here."""

    def __init__(self, columns: dict[str, list[Any]], features: dict[str, Any]) -> None:
        self._columns, self.features = columns, features

    @property
    def column_names(self) -> list[str]:
        return list(self.features)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __getitem__(self, column: str) -> list[Any]:
        return self._columns[column]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in range(len(self)):
            held = {name: values[row] for name, values in self._columns.items()}
            for name, feature in self.features.items():
                if isinstance(feature, Image) and feature.decode:
                    raise AssertionError(f"{name} would be decoded one by one")
            yield held

    def with_format(self, kind: str | None) -> Pretended:
        assert kind is None
        return self

    def select_columns(self, names: list[str]) -> Pretended:
        return Pretended({name: self._columns[name] for name in names}, {name: self.features[name] for name in names})

    def cast_column(self, name: str, feature: Any) -> Pretended:
        return Pretended(self._columns, {**self.features, name: feature})

    def select(self, rows: Any) -> Pretended:
        return Pretended({name: [values[row] for row in rows] for name, values in self._columns.items()}, self.features)


def _library(columns: dict[str, list[Any]], features: dict[str, Any]) -> Any:
    """The same data set made by the library itself."""
    # Beside the repository's own folder of this name, the library cannot be imported: run with PYTHONSAFEPATH=1.
    datasets = pytest.importorskip("datasets", exc_type=ImportError)

    def feature(given: Any) -> Any:
        kinds = {
            Image: lambda: datasets.Image(),
            ClassLabel: lambda: datasets.ClassLabel(names=given.names),
            List: lambda: datasets.Sequence(feature(given.feature)),
            Value: lambda: datasets.Value(given.dtype),
            Array3D: lambda: datasets.Array3D(given.shape, given.dtype),
        }
        return kinds[type(given)]()

    held = {name: [value.tolist() if isinstance(value, np.ndarray) else value for value in columns[name]]
            for name in columns}  # fmt: skip
    return datasets.Dataset.from_dict(held, datasets.Features({name: feature(each) for name, each in features.items()}))


@pytest.fixture(params=[Pretended, _library], ids=["stand-in", "library"])
def maker(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def pictures(make: SimpleNamespace) -> list[dict[str, Any]]:
    """Images as the library holds them: the bytes of their files."""
    held = []
    for seed in range(30):
        buffer = io.BytesIO()
        Pictures.fromarray(make.picture(seed, 24, 20)).save(buffer, "PNG")
        held.append({"bytes": buffer.getvalue(), "path": None})
    return held


@pytest.fixture
def features() -> dict[str, Any]:
    return {"image": Image(), "label": ClassLabel(NAMES)}


LABELS = [row % 3 for row in range(30)]


def test_as_files(maker: Any, pictures: list[dict[str, Any]], features: dict[str, Any], tmp_path: Path) -> None:
    """Pixels and labels are those of the same files in folders, and rows are named by their number."""
    dataset = from_huggingface("mine", maker({"image": pictures, "label": LABELS}, features), settings=SMALL)
    for row, picture in enumerate(pictures):
        path = tmp_path / "files" / NAMES[row % 3] / f"{row:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture["bytes"])
    files = load("folders", tmp_path / "files", SMALL)
    ours = {image.tobytes(): int(label) for image, label in zip(dataset.images, dataset.labels, strict=True)}
    theirs = {image.tobytes(): int(label) for image, label in zip(files.images, files.labels, strict=True)}
    assert ours == theirs
    assert dataset.classes == ("cat", "dog", "hen")
    assert dataset.origins[[0, 29]].tolist() == ["row 0", "row 29"]
    assert (dataset.source, dataset.adapter) == ("Hugging Face data set", "")
    assert from_huggingface("mine", maker({"image": pictures, "label": LABELS}, features)).image_shape == (128, 128, 3)


def test_splits(maker: Any, pictures: list[dict[str, Any]], features: dict[str, Any]) -> None:
    """The splits of a DatasetDict are kept, under the usual names for them."""
    whole = maker({"image": pictures, "label": LABELS}, features)
    parts = {
        "test": whole.select(range(20, 30)),
        "train": whole.select(range(14)),
        "valid": whole.select(range(14, 20)),
    }
    dataset = from_huggingface("mine", parts, settings=SMALL)
    assert [len(dataset.rows(split)) for split in ("train", "validation", "test")] == [14, 6, 10]
    assert dataset.origins[[0, 14, 20]].tolist() == ["train 0", "validation 0", "test 0"]
    with pytest.raises(DatasetError, match="the split 'unsupervised' is none of train, validation and test; choose"):
        from_huggingface("mine", {**parts, "unsupervised": whole})
    with pytest.raises(DatasetError, match="the split 'val' is a second 'validation'"):
        from_huggingface("mine", {**parts, "val": whole})
    with pytest.raises(DatasetError, match="there must be a split 'train', but there are test"):
        from_huggingface("mine", {"test": whole})


def test_opened_again(maker: Any, pictures: list[dict[str, Any]], features: dict[str, Any]) -> None:
    """Images are decoded once; another image or label makes another data set."""
    stages: list[str] = []

    def opened(held: list[dict[str, Any]], labels: list[int]) -> str:
        stages.clear()
        whole = maker({"image": held, "label": labels}, features)
        report = from_huggingface("mine", whole, settings=SMALL, progress=lambda stage, *rest: stages.append(stage))
        return report.fingerprint

    first = opened(pictures, LABELS)
    assert "decoding" in stages
    assert opened(pictures, LABELS) == first
    assert "decoding" not in stages
    assert opened([*pictures[1:], pictures[0]], LABELS) != first
    assert opened(pictures, [*LABELS[1:], LABELS[0]]) != first


def test_images_in_files(maker: Any, make: SimpleNamespace, features: dict[str, Any], tmp_path: Path) -> None:
    """Images that are named by their files are read there, and called after them."""
    paths = []
    for seed in range(12):
        paths.append(tmp_path / "files" / f"{seed}.png")
        make.save(paths[-1], seed)
    held = [{"bytes": None, "path": str(path)} for path in [*paths, paths[0]]]
    whole = maker({"image": held, "label": [*LABELS[:12], 0]}, features)
    dataset = from_huggingface("mine", whole, settings=SMALL)
    assert dataset.origins.tolist() == [*map(str, paths), "row 12"]
    assert np.array_equal(dataset.images[0], dataset.images[12])
    make.save(paths[3], seed=4711)
    assert from_huggingface("mine", whole, settings=SMALL).fingerprint != dataset.fingerprint


def test_several_labels(maker: Any, pictures: list[dict[str, Any]]) -> None:
    """Lists of classes are several labels per image."""
    lists = [[row % 3, 1] if row % 2 else [] for row in range(30)]
    features = {"image": Image(), "labels": List(ClassLabel(NAMES))}
    dataset = from_huggingface("mine", maker({"image": pictures, "labels": lists}, features), settings=SMALL)
    assert dataset.task == "multilabel"
    assert dataset.labels[[0, 1, 3, 5]].tolist() == [[0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 1, 1]]


def test_texts(maker: Any, pictures: list[dict[str, Any]]) -> None:
    """Labels may be texts, in a column of a usual name or of one that is given."""
    texts = [NAMES[row % 3] for row in range(30)]
    features = {"image": Image(), "category": Value("string"), "other": Value("string")}
    whole = maker({"image": pictures, "category": texts, "other": texts[::-1]}, features)
    assert from_huggingface("mine", whole, settings=SMALL).labels.tolist() == LABELS
    other = from_huggingface("mine", whole, label_column="other", classes=["hen", "dog", "cat"], settings=SMALL)
    assert other.classes == ("hen", "dog", "cat")


def test_arrays(maker: Any) -> None:
    """A column of arrays keeps their size, and needs its range where they are no bytes."""
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8)
    features = {"pixels": Array3D((8, 8, 3), "uint8"), "label": ClassLabel(NAMES)}
    dataset = from_huggingface("mine", maker({"pixels": list(images), "label": LABELS}, features))
    assert np.array_equal(dataset.images, images)
    floats = {**features, "pixels": Array3D((8, 8, 3), "float32")}
    whole = maker({"pixels": [(image / 255).astype(np.float32) for image in images], "label": LABELS}, floats)
    with pytest.raises(DatasetError, match=r"pixels are float32 .* write pixel_range=\(0, 1\)"):
        from_huggingface("mine", whole)
    assert from_huggingface("mine", whole, pixel_range=(0, 1)).fingerprint == dataset.fingerprint


def test_rows_that_cannot_be_used(maker: Any, pictures: list[dict[str, Any]], features: dict[str, Any]) -> None:
    """Broken and missing images and missing labels are named, and left out when asked."""
    pictures[4] = {"bytes": b"no image", "path": None}
    labels: list[Any] = [*LABELS]
    labels[6], labels[7] = -1, None
    pictures[8] = None  # type: ignore[call-overload]
    whole = maker({"image": pictures, "label": labels}, features)
    with pytest.raises(DatasetError, match=r"4 images cannot be used \(row 6: no label; row 7: no label; row 8: no im"):
        from_huggingface("mine", whole, settings=SMALL)
    dataset = from_huggingface("mine", whole, settings=LoadSettings(image_size=16, skip_bad=True))
    assert len(dataset.images) == 26
    found = {file for finding in audit(dataset) for file in finding.files if finding.kind == "unreadable"}
    assert found == {"row 4", "row 6", "row 7", "row 8"}


def test_split_without_labels(maker: Any, pictures: list[dict[str, Any]], features: dict[str, Any]) -> None:
    """A test split whose labels are kept secret is refused with the line that leaves it out."""
    whole = maker({"image": pictures, "label": LABELS}, features)
    secret = maker({"image": pictures, "label": [-1] * 30}, features)
    with pytest.raises(DatasetError, match=r"no row of the split 'test' has a label.*\{'train': dataset\['train'\]\}$"):
        from_huggingface("mine", {"train": whole, "test": secret})


def test_columns_are_named(maker: Any, pictures: list[dict[str, Any]]) -> None:
    """The message has the argument to write if several columns may be meant, or none."""
    held = {"image": pictures, "fine": LABELS, "coarse": [row % 2 for row in range(30)]}
    features = {"image": Image(), "fine": ClassLabel(NAMES), "coarse": ClassLabel(["a", "b"])}
    whole = maker(held, features)
    with pytest.raises(DatasetError, match="several columns hold classes; write label_column='fine', or another of"):
        from_huggingface("mine", whole)
    assert from_huggingface("mine", whole, label_column="coarse", settings=SMALL).classes == ("a", "b")
    with pytest.raises(DatasetError, match="there is no column 'x'; the columns are image, fine, coarse"):
        from_huggingface("mine", whole, label_column="x")
    with pytest.raises(DatasetError, match="no column holds images; write image_column='NAME'; the columns are fine"):
        from_huggingface("mine", whole.select_columns(["fine", "coarse"]))
    with pytest.raises(DatasetError, match="no column is known to hold the labels; write label_column='NAME'"):
        from_huggingface("mine", whole.select_columns(["image"]))
    twice = maker(
        {"a": pictures, "b": pictures, "label": LABELS}, {"a": Image(), "b": Image(), "label": features["fine"]}
    )
    with pytest.raises(DatasetError, match="several columns hold images; write image_column='a', or another of a, b"):
        from_huggingface("mine", twice)


def test_something_else(maker: Any, pictures: list[dict[str, Any]], features: dict[str, Any]) -> None:
    """A name, a stream and other objects are refused with what to give instead."""
    with pytest.raises(SettingError, match=r"got the text 'cifar10'; write datasets\.load_dataset\('cifar10'\)"):
        from_huggingface("mine", "cifar10")
    with pytest.raises(SettingError, match=r"dataset must be a datasets\.Dataset or DatasetDict, but got ndarray"):
        from_huggingface("mine", np.zeros(3))
    if maker is _library:
        stream = maker({"image": pictures, "label": LABELS}, features).to_iterable_dataset()
        with pytest.raises(SettingError, match=r"it streams; write load_dataset\(\.\.\., streaming=False\)"):
            from_huggingface("mine", stream)
