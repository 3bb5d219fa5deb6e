from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from apertune.spaces.recipes.augmentation import Augmentation, AugmentationSettings, PlainEnd

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (8, 12, 10, 3), dtype=np.uint8)
TARGETS = np.eye(4, dtype=np.float32)[np.arange(8) % 4]

KINDS = {
    "flip": AugmentationSettings(flip="both"),
    "rotation": AugmentationSettings(rotation=20.0),
    "shift": AugmentationSettings(shift=0.2),
    "zoom": AugmentationSettings(zoom=0.3),
    "shear": AugmentationSettings(shear=15.0),
    "brightness": AugmentationSettings(brightness=0.3),
    "contrast": AugmentationSettings(contrast=0.5),
    "erasing": AugmentationSettings(erasing=0.3),
    "noise": AugmentationSettings(noise=0.1),
    "randaugment": AugmentationSettings(operations=3, strength=1.0),
    "mixup": AugmentationSettings(mixing="mixup", mixing_alpha=0.5),
    "random crops": AugmentationSettings(crop_scale=0.3),
    "cutmix": AugmentationSettings(mixing="cutmix", mixing_alpha=1.0),
}


def augmented(
    settings: AugmentationSettings, images: Any = IMAGES, targets: Any = TARGETS, *, seed: int = 0
) -> tuple[Any, Any]:
    result = Augmentation(settings, seed=seed)((images, targets), training=True)
    return np.asarray(result[0]), np.asarray(result[1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_yields_changed_whole_numbers_in_range(kind: str, channels: int) -> None:
    """Every kind changes the images, keeps their shape, and leaves whole numbers from 0 to 255."""
    images, targets = augmented(KINDS[kind], IMAGES[..., :channels])
    assert KINDS[kind].is_active
    assert images.dtype == np.float32
    assert images.shape == (8, 12, 10, channels)
    assert images.min() >= 0
    assert images.max() <= 255
    assert (images == np.round(images)).all()
    assert (images != IMAGES[..., :channels]).any()
    assert np.isfinite(targets).all()


@pytest.mark.parametrize("kind", KINDS)
def test_outside_training_nothing_changes(kind: str) -> None:
    """Validation images pass through as they are."""
    images, targets = Augmentation(KINDS[kind], seed=0)((IMAGES, TARGETS), training=False)
    assert (np.asarray(images) == IMAGES).all()
    assert (np.asarray(targets) == TARGETS).all()


def test_the_seed_decides() -> None:
    """Equal seeds augment alike, others differently, and a second batch differs from the first."""
    everything = AugmentationSettings("both", 20.0, 0.1, 0.1, 5.0, 0.1, 0.1, 0.1, 0.02, 2, 0.5, "mixup", 0.5)
    first, _ = augmented(everything, seed=1)
    assert (first == augmented(everything, seed=1)[0]).all()
    assert (first != augmented(everything, seed=2)[0]).any()
    layer = Augmentation(everything, seed=1)
    one, two = (np.asarray(layer((IMAGES, TARGETS), training=True)[0]) for _ in range(2))
    assert (one != two).any()


def test_a_flip_is_an_exact_mirror_image() -> None:
    """A horizontal flip yields each image as it is or exactly mirrored, and both occur."""
    images, _ = augmented(AugmentationSettings(flip="horizontal"))
    same = (images == IMAGES).all(axis=(1, 2, 3))
    mirrored = (images == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert same.any()
    assert mirrored.any()


def test_motion_keeps_within_its_strength() -> None:
    """A dot is shifted by at most the share asked for, and each image goes its own way."""
    images = np.zeros((16, 21, 21, 1), np.uint8)
    images[:, 10, 10] = 255
    moved, _ = augmented(AugmentationSettings(shift=0.2), images, np.zeros((16, 1), np.float32))
    places = [np.unravel_index(image[..., 0].argmax(), (21, 21)) for image in moved]
    assert all(abs(row - 10) <= 5 and abs(column - 10) <= 5 for row, column in places)
    assert len(set(places)) > 4


def test_erasing_leaves_the_rest_alone() -> None:
    """Outside one box of at most the largest share the pixels are untouched."""
    images, _ = augmented(AugmentationSettings(erasing=0.3))
    changed = (images != IMAGES).any(axis=3).mean(axis=(1, 2))
    assert changed.max() <= 0.4
    assert changed.max() > 0


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_targets_are_mixed_as_the_images_are(kind: str) -> None:
    """Images that have one colour per class come out with the share of each colour that their targets state."""
    classes = np.arange(8) % 2
    images = np.repeat(classes * 255, 100).reshape(8, 10, 10, 1).astype(np.uint8)
    targets = np.eye(2, dtype=np.float32)[classes]
    mixed, shares = augmented(AugmentationSettings(mixing=kind, mixing_alpha=1.0), images, targets)
    assert mixed.mean(axis=(1, 2, 3)) / 255 == pytest.approx(shares[:, 1], abs=0.003)
    assert shares.sum(axis=1) == pytest.approx(np.ones(8))
    assert ((shares > 0.05) & (shares < 0.95)).any()


@pytest.mark.parametrize("outputs", [1, 5])
def test_binary_and_multilabel_targets_are_mixed_too(outputs: int) -> None:
    """Mixed targets of sigmoids are shares between 0 and 1, in the shape they came in."""
    targets = (np.arange(8 * outputs).reshape(8, outputs) % 2).astype(np.float32)
    _, mixed = augmented(AugmentationSettings(mixing="mixup", mixing_alpha=1.0), targets=targets)
    assert mixed.shape == (8, outputs)
    assert mixed.min() >= 0
    assert mixed.max() <= 1


def test_no_strength_means_no_augmentation() -> None:
    """Settings whose strengths are all zero are not active."""
    assert not AugmentationSettings("none", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0).is_active
    assert not AugmentationSettings().is_active


def test_the_last_epochs_see_images_as_they_are() -> None:
    """With a share of 0.3 of ten epochs, images and targets are changed up to the seventh and left alone after it."""
    settings = AugmentationSettings(flip="both", mixing="mixup", mixing_alpha=0.5, plain_share=0.3)
    layer = Augmentation(settings, seed=0)
    callback = PlainEnd(layer, epochs=10, share=0.3)
    changed = []
    for epoch in range(10):
        callback.on_epoch_begin(epoch)
        images, targets = layer((IMAGES, TARGETS), training=True)
        changed.append(bool((np.asarray(images) != IMAGES).any() or (np.asarray(targets) != TARGETS).any()))
    assert changed == [True] * 7 + [False] * 3


def test_random_crops_show_a_part_of_the_drawn_size() -> None:
    """Crops show 3 to 10 tenths of the area, within the image, in proportions from 3:4 to 4:3, all of them differently.

    Each pixel tells its own place, so the corners of a crop tell what it shows.
    """
    side, count = 65, 200
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    places = np.stack([rows, columns, rows], axis=-1).astype(np.uint8) * 3
    images, _ = augmented(
        AugmentationSettings(crop_scale=0.3), np.stack([places] * count), np.zeros((count, 1), np.float32)
    )
    top, left = images[:, 0, 0, 0] / 3, images[:, 0, 0, 1] / 3
    bottom, right = images[:, -1, -1, 0] / 3, images[:, -1, -1, 1] / 3
    height, width = (bottom - top) / (side - 1), (right - left) / (side - 1)
    area = height * width
    assert area.min() > 0.25
    assert area.max() <= 1.0
    assert area.mean() == pytest.approx(0.63, abs=0.06)
    assert (np.maximum(height / width, width / height) < 4 / 3 + 0.05).all()
    assert (top >= 0.0).all()
    assert (bottom <= side - 1).all()
    assert len({*map(float, top)}) > count / 5
    assert np.corrcoef(top, left)[0, 1] < 0.8


def test_settings_without_crops_draw_as_before() -> None:
    """The crop of the whole image changes nothing, and takes no random numbers from the other kinds."""
    motion = {"flip": "both", "rotation": 20.0, "shift": 0.1, "zoom": 0.1}
    plain, _ = augmented(AugmentationSettings(**motion))  # type: ignore[arg-type]  # names are given
    whole, _ = augmented(AugmentationSettings(**motion, crop_scale=1.0))  # type: ignore[arg-type]
    assert (plain == whole).all()
