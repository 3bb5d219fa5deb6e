from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from apertune.search.evaluation.direction import Direction
from apertune.search.messages import TrialResult
from apertune.search.tracking.journal import Journal
from apertune.search.tracking.outbox import Outbox, unsent
from apertune.search.tracking.records import FilesLogged
from apertune.search.training.augmented_examples import (
    PICTURE,
    different_rows,
    draw_augmented,
    save_augmented,
    target_words,
)
from apertune.search.trial_folder import TrialFolder, augmentation_file

CLASSES = {"binary": 2, "multiclass": 3, "multilabel": 3}


class _View:
    """Eight training images in the form of a trial's view."""

    def __init__(self, task: str) -> None:
        self.task, self.classes = task, tuple("abc"[: CLASSES[task]])
        self.images = np.random.default_rng(0).integers(0, 256, (8, 12, 10, 3), np.uint8)

    def targets(self, split: str) -> np.ndarray:
        if self.task == "binary":
            return (np.arange(8) % 2).astype(np.float32)[:, None]
        return np.eye(3, dtype=np.float32)[np.arange(8) % 3]

    def mapped_images(self, split: str) -> np.ndarray:
        return self.images


@pytest.mark.parametrize("task", CLASSES)
def test_augmented_images_are_drawn(task, tmp_path):
    """A real augmentation's images and mixed targets are saved beside the plain ones and drawn as one picture."""
    from apertune.spaces.recipes.augmentation import Augmentation, AugmentationSettings

    augmentation = Augmentation(AugmentationSettings(rotation=30.0, mixing="mixup", mixing_alpha=1.0), seed=0)
    view = _View(task)
    save_augmented(SimpleNamespace(view=view, number=3), augmentation, tmp_path)
    with np.load(augmentation_file(tmp_path)) as saved:
        images, targets = saved["images"], saved["targets"]
    rows = different_rows(view.targets("train"), 4)
    assert np.array_equal(images[:, 0], view.images[rows])
    assert np.array_equal(targets[:, 0], view.targets("train")[rows])
    assert not np.array_equal(images[:, 1], images[:, 0])
    assert ((targets > 0.05) & (targets < 0.95)).any()
    draw_augmented(tmp_path)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [PICTURE]
    with Image.open(tmp_path / PICTURE) as picture:
        assert picture.width > 6 * 100


def test_targets_are_told_in_words():
    """Targets of every task are shown in words: mixed classes with their shares, plain ones by name."""
    shares = np.array([0.3, 0.7, 0.0], np.float32)
    assert target_words("multiclass", ["cat", "dog", "bird"], shares) == "dog 70%, cat 30%"
    assert target_words("binary", ["no", "yes"], np.array([1.0], np.float32)) == "yes"
    assert target_words("binary", ["no", "yes"], np.array([0.25], np.float32)) == "no 75%, yes 25%"
    assert target_words("multilabel", ["cat", "dog"], np.array([1.0, 0.4], np.float32)) == "cat, dog 40%"
    assert target_words("multilabel", ["cat", "dog"], np.array([0.0, 0.0], np.float32)) == "none"


def test_an_augmentation_that_fails_costs_no_trial(tmp_path):
    """An error in drawing the examples is logged and leaves no file behind."""

    def fail(inputs, training):
        raise RuntimeError("no")

    save_augmented(SimpleNamespace(view=_View("binary"), number=3), fail, tmp_path)
    augmentation_file(tmp_path).write_bytes(b"damaged")
    draw_augmented(tmp_path)
    assert not list(tmp_path.glob("augmentation*"))


def test_the_search_shows_its_first_augmentation(tmp_path):
    """The search's run gets the examples of the first trial that has some, and every trial's run its own."""
    definition = SimpleNamespace(
        dataset="pets", space="convnet", objective="accuracy", direction=Direction.MAXIMIZE, objectives=()
    )
    study = SimpleNamespace(name="pets", identity="id", definition=definition)
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        journal = Journal(outbox, study, "search", {})
        for number in range(3):
            folder = tmp_path / str(number)
            (folder / "artifacts").mkdir(parents=True)
            if number > 0:
                TrialFolder(folder).augmentation.write_bytes(b"%d" % number)
            journal.trial_ended(TrialResult(number, "complete"), TrialFolder(folder))
    records = [record for record, _ in unsent(tmp_path / "outbox.jsonl", 0)]
    logged = [(record.key, record.folder) for record in records if isinstance(record, FilesLogged)]
    assert [key for key, _ in logged] == ["id-0", "search", "id-1", "id-2"]
    assert augmentation_file(tmp_path / "1" / "shown").read_bytes() == b"1"
    assert ("search", str(tmp_path / "1" / "shown")) in logged
