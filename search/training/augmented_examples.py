"""Examples of training images as the network sees them: each augmented several times, saved by the worker.

The worker leaves pixels and targets; another process, which delays nobody, makes a picture (`draw_augmented`).
"""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..trial_folder import augmentation_file

if TYPE_CHECKING:
    from ..messages import TrialTask

logger = logging.getLogger(__name__)

PICTURE = "augmentation.png"
IMAGES = 4
# Augmented copies of each image: with the plain picture they fill a row of `examples.grid`.
VARIANTS = 5
_LETTERS_PER_LINE = 24


def save_augmented(task: TrialTask, augmentation: Any, folder: Path) -> None:
    """Augments some training images as training did, and saves them; a failure is logged.

    Writes pixels uint8 (images, 1 + variants, height, width, channels), the plain picture first, and targets
    float32 (images, 1 + variants, outputs).

    Args:
        task: The trial's task.
        augmentation: The layer of its candidate.
        folder: The folder of artifacts.
    """
    try:
        view = task.view
        rows = different_rows(view.targets("train"), IMAGES)
        plain, targets = view.mapped_images("train")[rows], np.nan_to_num(view.targets("train")[rows])
        columns = [(plain, targets)]
        for _ in range(VARIANTS):
            changed, mixed = augmentation((plain, targets), training=True)
            columns.append((np.clip(_numbers(changed), 0, 255).astype(np.uint8), _numbers(mixed)))
        images, labels = (np.stack(arrays, axis=1) for arrays in zip(*columns, strict=True))
        folder.mkdir(parents=True, exist_ok=True)
        classes, trial = np.array(view.classes), np.array(task.number)
        np.savez(
            augmentation_file(folder),
            images=images,
            targets=labels,
            classes=classes,
            task=np.array(view.task),
            trial=trial,
        )
    except Exception:
        logger.exception("trial %d: no examples of its augmentation", task.number)


def draw_augmented(folder: Path) -> None:
    """Replaces the file that `save_augmented` left in the folder by `augmentation.png`; does nothing without it."""
    saved = augmentation_file(folder)
    if not saved.exists():
        return
    try:
        _draw(saved, folder / PICTURE)
    except Exception:
        logger.exception("%s could not be drawn", saved)
    saved.unlink(missing_ok=True)


def different_rows(targets: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Returns the first row of each different target, int64 (count,), filled up with the first rows of all."""
    _, first = np.unique(targets, axis=0, return_index=True)
    others = np.setdiff1d(np.arange(min(len(targets), 2 * count)), first)
    return np.concatenate([np.sort(first), others])[:count]


def target_words(task: str, classes: list[str], target: NDArray[np.float32]) -> str:
    """Returns the target of an image in words: `cat`, or `cat 70%, dog 30%` of a mixed one, or `cat, dog 40%`."""
    if task == "binary":
        target = np.array([1 - target[0], target[0]])
    shares = [(float(share), name) for share, name in zip(target, classes, strict=True) if share >= 0.01]
    shares.sort(key=lambda pair: -pair[0])
    return ", ".join(name if share > 0.99 else f"{name} {share:.0%}" for share, name in shares) or "none"


def _draw(saved: Path, target: Path) -> None:
    from ..evaluation.plots import canvas, examples

    with np.load(saved) as arrays:
        images, targets = arrays["images"], arrays["targets"]
        classes, task = arrays["classes"].tolist(), str(arrays["task"])
        title = f"Augmentation of trial {arrays['trial']}: each row one training image, first as it is"
    tiles = []
    for place, label in enumerate(targets.reshape(-1, targets.shape[-1])):
        lines = textwrap.wrap(target_words(task, classes, label), _LETTERS_PER_LINE)
        tiles.append(examples.Example(place, "\n".join([lines[0], " ".join(lines[1:])]), right=None))
    canvas.save(examples.grid(title, tiles, images.reshape(-1, *images.shape[2:])), target)


def _numbers(tensor: Any) -> NDArray[np.float32]:
    import keras

    numbers: NDArray[np.float32] = keras.ops.convert_to_numpy(tensor)
    return numbers
