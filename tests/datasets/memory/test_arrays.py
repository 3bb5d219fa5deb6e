"""Arrays in memory become a data set like any other, or are refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from apertune.datasets import DataSpec, ImageDataset, LoadSettings, from_arrays
from apertune.datasets.audit.auditing import audit
from apertune.datasets.cache import entries as cache
from apertune.errors import DatasetError, SettingError

COUNT = 60
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 1), np.uint8)
LABELS = np.arange(COUNT) % 3


def made(images: Any = IMAGES, labels: Any = LABELS, classes: Any = ("a", "b", "c"), **words: Any) -> ImageDataset:
    return from_arrays("mine", images, labels, classes, **words)


def test_view() -> None:
    """The view gives back the training pixels, and cannot reach the test rows."""
    dataset = made(split=(0.5, 0.25, 0.25))
    view = dataset.training_view()
    assert np.array_equal(view.images("train"), IMAGES[dataset.train])
    assert view.spec() == DataSpec((8, 8, 1), "multiclass", ("a", "b", "c"), (10, 10, 10), 30)
    assert not hasattr(view, "test")
    with pytest.raises(DatasetError, match="a search may read"):
        view.images("test")  # type: ignore[arg-type]


def test_opened_again() -> None:
    """The same arrays are put into the cache once; another label, range, class or seed gives another data set."""
    first = made()
    assert made().folder == first.folder
    assert made().fingerprint == first.fingerprint
    others = [
        made(labels=np.where(np.arange(COUNT) == 5, 0, LABELS)),
        made(classes=("a", "b", "d")),
        made(images=255 - IMAGES),
        made(seed=1),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_grey_without_channel() -> None:
    """Grey images need no axis for their channel, and give the same data set with and without it."""
    assert made(IMAGES[..., 0]).fingerprint == made().fingerprint


def test_not_square() -> None:
    """Images keep their shape unless a size is stated; a stated one is reached as for files."""
    wide = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 12, 3), np.uint8)
    assert made(wide).image_shape == (8, 12, 3)
    resized = made(wide, settings=LoadSettings(image_size=16, channels=1, resize="pad"))
    assert resized.image_shape == (16, 16, 1)
    assert resized.resize == "pad"
    assert not resized.images[:, 0].any()
    assert cache.EntryArrays(resized.folder).original_sizes()[0].tolist() == [12, 8]


def test_floats_in_their_range() -> None:
    """Floats of each stated range become the same bytes."""
    want = made().fingerprint
    for low, high in ((0, 1), (0, 255), (-1, 1), (0, 65535)):
        floats = (IMAGES / 255 * (high - low) + low).astype(np.float32)
        assert made(floats, pixel_range=(low, high)).fingerprint == want
    assert made(IMAGES.astype(np.uint16) * 257, pixel_range=(0, 65535)).fingerprint == want
    assert made(IMAGES.astype(np.int64), pixel_range=(0, 255)).fingerprint == want


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (IMAGES / 255, "pixel_range=(0, 1), or pixel_range=(0, 255)"),
        (IMAGES.astype(np.float32), "pixel_range=(0, 255)"),
        (IMAGES / 127.5 - 1, "pixel_range=(-1, 1)"),
        (IMAGES.astype(np.int64), "pixel_range=(0, 255), or pixel_range=(0, 65535)"),
        (IMAGES.astype(np.uint16) * 257, "pixel_range=(0, 65535)"),
        ((IMAGES / 255).astype(np.uint8), "pixel_range=(0, 1), or pixel_range=(0, 255)"),
    ],
)
def test_range_not_stated(images: np.ndarray, line: str) -> None:
    """Other types than uint8, and bytes that are all 0 or 1, are refused with the line to write."""
    with pytest.raises(DatasetError, match=re.escape(f"full range is not stated; write {line}") + "$"):
        made(images)


def test_range_that_does_not_fit() -> None:
    """A range that is no range, that pixels leave, or that they use a 255th of, is refused."""
    with pytest.raises(SettingError, match=r"such as \(0, 1\) or \(0, 255\), but got \(1, 0\)"):
        made(IMAGES / 255, pixel_range=(1, 0))
    with pytest.raises(SettingError, match=r"but got '0-1'"):
        made(IMAGES / 255, pixel_range="0-1")
    with pytest.raises(DatasetError, match=r"lie from 0 to 255, outside of pixel_range=\(0, 1\)"):
        made(IMAGES, pixel_range=(0, 1))
    with pytest.raises(DatasetError, match=r"no pixel is above 1; write pixel_range=\(0, 1\)"):
        made(IMAGES / 255, pixel_range=(0, 255))
    with pytest.raises(DatasetError, match=r"lie from -1 to 1, outside of pixel_range=\(0, 1\)"):
        made(IMAGES / 127.5 - 1, pixel_range=(0, 1))


def test_stated_splits() -> None:
    """Stated splits are taken row by row, and rows are named by their split."""
    parts = np.split(IMAGES, [40, 50])
    labels = np.split(LABELS, [40, 50])
    dataset = made(parts[0], labels[0], validation=(parts[1], labels[1]), test=(parts[2], labels[2]))
    assert np.array_equal(dataset.images, IMAGES)
    assert dataset.labels.tolist() == LABELS.tolist()
    assert dataset.train.tolist() == list(range(40))
    assert dataset.validation.tolist() == list(range(40, 50))
    assert dataset.test.tolist() == list(range(50, 60))
    assert dataset.origins[[0, 40, 59]].tolist() == ["image 0", "validation image 0", "test image 9"]


def test_some_splits_stated() -> None:
    """A validation split that is not stated is drawn from training; the stated test split stays whole."""
    dataset = made(IMAGES[:40], LABELS[:40], test=(IMAGES[40:], LABELS[40:]))
    assert dataset.test.tolist() == list(range(40, 60))
    assert sorted([*dataset.train, *dataset.validation]) == list(range(40))
    assert 5 <= len(dataset.validation) <= 9


def test_split_that_has_no_effect() -> None:
    """Shares given beside both stated splits are refused, as is a split that is no pair."""
    pair = (IMAGES[:9], LABELS[:9])
    with pytest.raises(SettingError, match="draws no split where validation and test are both given"):
        made(validation=pair, test=pair, split=(0.8, 0.1, 0.1))
    with pytest.raises(SettingError, match=r"test must be a pair of images and labels, such as test=\(x, y\)"):
        made(test=IMAGES)
    with pytest.raises(DatasetError, match="got 8 for 9 images for validation"):
        made(validation=(IMAGES[:9], LABELS[:8]))


def test_leaks_and_audit(make: SimpleNamespace) -> None:
    """Copies in a stated test split are noted, left out by `drop_leaks` and found by the audit, as in files."""
    images = np.stack([make.picture(seed, 16, 16, 1) for seed in range(30)])
    labels = np.arange(30) % 3
    words: dict[str, Any] = {
        "classes": ("a", "b", "c"),
        "validation": (images[14:20], labels[14:20]),
        "test": (np.concatenate([images[20:], images[:2]]), [*labels[20:], 0, 1]),
    }
    dataset = made(images[:14], labels[:14], **words)
    assert any("2 training images with a copy" in note for note in dataset.notes)
    assert sum(finding.kind == "leak" for finding in audit(dataset)) == 2
    kept = made(images[:14], labels[:14], settings=LoadSettings(drop_leaks=True), **words)
    assert kept.train.tolist() == list(range(2, 14))


def test_rows_that_cannot_be_used() -> None:
    """Missing labels and pixels that are not finite are named, and left out when asked."""
    images = IMAGES / 255
    images[7, 0, 0] = np.nan
    labels = ["a", "b", "c"] * 20
    labels[4] = None  # type: ignore[call-overload]
    with pytest.raises(DatasetError) as refused:
        made(images, labels, pixel_range=(0, 1))
    assert str(refused.value) == (
        "mine: 2 images cannot be used (image 4: no label; image 7: pixels that are no finite numbers); leave out such "
        "images with settings=LoadSettings(skip_bad=True)"
    )
    dataset = made(images, labels, pixel_range=(0, 1), settings=LoadSettings(skip_bad=True))
    kept = [row for row in range(COUNT) if row not in (4, 7)]
    assert np.array_equal(dataset.images, IMAGES[kept])
    assert dataset.labels.tolist() == LABELS[kept].tolist()
    assert dataset.origins[4] == "image 5"


@pytest.mark.parametrize("pixel_range", [None, (0, 1)])
def test_groups(pixel_range: tuple[int, int] | None) -> None:
    """Images of one group stay in one split, and need one name each."""
    groups = np.arange(COUNT) // 6
    dataset = made(IMAGES if pixel_range is None else IMAGES / 255, groups=groups, pixel_range=pixel_range)
    parts = [set(groups[dataset.rows(split)]) for split in ("train", "validation", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == 10
    assert any("10 groups by groups=" in note for note in dataset.notes)
    with pytest.raises(DatasetError, match="give one group per image, but got 3 for 60 images"):
        made(groups=[1, 2, 3])
    stated = made(IMAGES[:50], LABELS[:50], test=(IMAGES[50:], LABELS[50:]), groups=groups[:50])
    assert not set(groups[stated.train]) & set(groups[stated.validation])


def test_images_of_several_sizes() -> None:
    """A list of unlike images needs a size; they keep their order and the sizes that they had."""
    images = [*IMAGES[:30], *np.random.default_rng(1).integers(0, 256, (30, 6, 9, 3), np.uint8)]
    with pytest.raises(DatasetError, match=r"sizes, such as 6x9 and 8x8 .* settings=LoadSettings\(image_size=128\)"):
        made(images)
    dataset = made(images, settings=LoadSettings(image_size=8))
    assert dataset.image_shape == (8, 8, 3)
    assert np.array_equal(dataset.images[:30], np.repeat(IMAGES[:30], 3, axis=3))
    assert cache.EntryArrays(dataset.folder).original_sizes()[[0, 59]].tolist() == [[8, 8], [9, 6]]


def test_alpha_on_white() -> None:
    """Transparent pixels become white, as in files."""
    images = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 4), np.uint8)
    images[:, :4, :, 3], images[:, 4:, :, 3] = 0, 255
    dataset = made(images)
    assert (dataset.images[:, :4] == 255).all()
    assert np.array_equal(dataset.images[:, 4:], images[:, 4:, :, :3])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((COUNT, 3, 8, 8)), r"channels last, but got float64 \(60, 3, 8, 8\); write numpy.moveaxis"),
        (IMAGES.reshape(COUNT, 64), r"must be \(n, height, width, 1 or 3\), or grey .* but got uint8 \(60, 64\)"),
        (np.array(["a.jpg"] * COUNT), r"images must be numbers .* but got <U5 \(60,\)"),
        (5, "images must be an array or a list, but got int"),
    ],
)  # fmt: skip
def test_no_images(images: Any, message: str) -> None:
    """Arrays that are no images are refused with the shape they must have."""
    with pytest.raises(DatasetError, match=message):
        made(images)


def test_labels_that_do_not_fit() -> None:
    """Label numbers beyond the classes, and too few labels, are refused."""
    with pytest.raises(DatasetError, match="labels must be from 0 to 1, but got 0 to 2"):
        made(classes=["a", "b"])
    with pytest.raises(DatasetError, match="got 3 for 60 images"):
        made(labels=np.zeros(3, int))
    with pytest.raises(DatasetError, match="labels must be an array or a list, but got str"):
        made(labels="a")
    with pytest.raises(DatasetError, match="there are no labels"):
        made(images=[], labels=[])


def test_options_are_refused() -> None:
    """Options belong to adapters, and would have no effect."""
    with pytest.raises(SettingError, match="from_arrays has arguments and takes no options, but got the option 'x'"):
        made(settings=LoadSettings(options={"x": "1"}))


def test_bad_rows_leave_no_scratch(own_cache: Path) -> None:
    """Nothing but complete entries stays in the cache, also after a refusal."""
    with pytest.raises(DatasetError):
        made(IMAGES / 255, pixel_range=(0, 255))
    made(IMAGES / 255, pixel_range=(0, 1))
    assert len(list((own_cache / "datasets").iterdir())) == 1
