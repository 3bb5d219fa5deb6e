"""The two ways to train a candidate: by our own step on an image table, or as the user's own code does.

Imported in workers only, since it imports Keras.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Images, MappedImages
from ...errors import SpaceError
from ...spaces.base import Candidate, OwnTraining
from ..executors import devices
from ..messages import TrialTask
from .training_model import StreamedImages, TrainingModel

logger = logging.getLogger(__name__)

STEPS_PER_EXECUTION = 16
# Grouped steps save a millisecond each, but make TensorFlow trace the training step twice.
STEPS_WORTH_GROUPING = 2000
# Validation images in a batch: at most so many, and so many pixels. Larger batches take hundreds of MiB more, which a
# framework then keeps, and on processors, whose caches they leave, more time.
MOST_PREDICTED = 512
PIXELS_ON_PROCESSORS, PIXELS_ON_GPU = 2**18, 2**23
# Share of the free memory for the arrays that a `fit` of the user's gets; Keras makes a copy of them.
ARRAYS_SHARE_OF_MEMORY = 0.4

Callbacks = Sequence[keras.callbacks.Callback]


class Trainer(Protocol):
    """Trains a candidate's network. Life of a trainer: `fit` once; `shuffle` and `predict` at its epochs."""

    can_resume: bool
    """A training can go on from any epoch."""
    returned: dict[str, float]
    """Metrics that the user's own code returned, by name."""

    def fit(self, callbacks: Callbacks, *, first_epoch: int, epochs: int) -> None:
        """Trains; the callbacks hear of batches and epochs, and end it.

        Args:
            callbacks: Those that score and end epochs.
            first_epoch: The epoch to begin with, from 0.
            epochs: Epochs at most, those before `first_epoch` included.
        """
        ...

    def shuffle(self, epoch: int) -> None:
        """Puts the training rows into the order of an epoch, from 0."""
        ...

    def predict(self) -> NDArray[np.float32]:
        """Returns the probabilities of the validation rows: float32 (rows, outputs)."""
        ...


def make_trainer(task: TrialTask, candidate: Candidate) -> Trainer:
    """Returns the trainer for a candidate."""
    if candidate.own_training is not None:
        return UserTrainer(task, candidate, candidate.own_training)
    return TableTrainer(task, candidate)


class TableTrainer:
    """Trains by the candidate's optimizer, loss and augmentation, with the pixels on the device where they fit."""

    can_resume = True

    def __init__(self, task: TrialTask, candidate: Candidate) -> None:
        self.returned: dict[str, float] = {}
        self._task = task
        self._candidate = candidate
        view, batch_size = task.view, candidate.batch_size
        train, validation = len(view.train), len(view.validation)
        size = (train + validation) * math.prod(view.image_shape)
        self._prediction_batch = prediction_batch(view.image_shape, batch_size)
        targets = [view.targets("train"), view.targets("validation")]
        self._table: tuple[Images, NDArray[np.float32]] | None = None
        self._train: Any
        self._validation: Any
        if devices.fits_on_device(size):
            logger.info("pixels lie on the device: %.0f MB", size / 1e6)
            pixels = np.concatenate([view.images("train"), view.images("validation")])
            rows = np.arange(train + validation, dtype=np.int32)
            self._table = pixels, np.concatenate(targets)
            self._train, self._validation = rows[:train], rows[train:]
        else:
            logger.info("pixels are streamed from disk: %.0f MB do not fit on the device", size / 1e6)
            self._train = StreamedImages(view.mapped_images("train"), targets[0], batch_size, seed=task.seed)
            self._validation = StreamedImages(
                view.mapped_images("validation"), targets[1], self._prediction_batch, seed=None
            )
        masked = np.ma.isMaskedArray(view.labels("train"))
        self._model = TrainingModel(candidate, view.task, self._table, masked=masked)

    def fit(self, callbacks: Callbacks, *, first_epoch: int, epochs: int) -> None:
        steps = -(-len(self._task.view.train) // self._candidate.batch_size)
        self._model.compile(
            optimizer=self._candidate.optimizer,
            steps_per_execution=STEPS_PER_EXECUTION if steps * self._task.epochs > STEPS_WORTH_GROUPING else 1,
            auto_scale_loss=False,
        )
        self._model.fit(
            self._train,
            batch_size=None if self._table is None else self._candidate.batch_size,
            initial_epoch=first_epoch,
            epochs=epochs,
            # `shuffle` gives each epoch its order.
            shuffle=False,
            callbacks=list(callbacks),
            verbose=0,
        )

    def shuffle(self, epoch: int) -> None:
        if self._table is None:
            self._train.shuffle(epoch)
        else:
            self._model.shuffle(len(self._train), self._task.seed, epoch)

    def predict(self) -> NDArray[np.float32]:
        if self._table is None:
            probabilities, _ = self._model.predict(self._validation, verbose=0)
            return np.asarray(probabilities, np.float32)
        return _in_equal_batches(
            self._validation, self._prediction_batch, lambda rows: self._model.predict_on_batch(rows)[0]
        )


class UserTrainer:
    """Trains as the user's own code does: by their compiled model, or by the `fit` of their HyperModel."""

    def __init__(self, task: TrialTask, candidate: Candidate, own: OwnTraining) -> None:
        self.returned: dict[str, float] = {}
        self.can_resume = own.is_keras_fit
        self._task = task
        self._own = own
        self._network = candidate.network
        self._batch_size = candidate.batch_size
        self._train: _UserBatches | None = None
        self._has_scored = False

    def fit(self, callbacks: Callbacks, *, first_epoch: int, epochs: int) -> None:
        fit = self._fit_by_keras if self._own.is_keras_fit else self._fit_by_user
        if self._own.class_numbers is not None:
            fit(callbacks, first_epoch, epochs, class_numbers=self._own.class_numbers)
            return
        weights = self._network.get_weights()
        try:
            fit(callbacks, first_epoch, epochs, class_numbers=False)
        except Exception as error:
            if self._has_scored or isinstance(error, SpaceError):
                raise
            # One-hot rows are not for this loss; nothing else says which targets a loop of the user's takes.
            logger.info("one-hot targets failed, so class numbers are tried: %s", error)
            self._network.set_weights(weights)
            keras.utils.set_random_seed(self._task.seed)
            fit(callbacks, first_epoch, epochs, class_numbers=True)

    def _fit_by_keras(self, callbacks: Callbacks, first_epoch: int, epochs: int, *, class_numbers: bool) -> None:
        view, own = self._task.view, self._own
        self._train = _UserBatches(
            view.mapped_images("train"),
            own.targets(view.targets("train"), class_numbers=class_numbers),
            own.images,
            self._batch_size,
            seed=self._task.seed,
        )
        validation = _UserBatches(
            view.mapped_images("validation"),
            own.targets(view.targets("validation"), class_numbers=class_numbers),
            own.images,
            prediction_batch(view.image_shape, self._batch_size),
            seed=None,
        )
        own.model.fit(
            self._train,
            validation_data=validation if own.needs_validation else None,
            initial_epoch=first_epoch,
            epochs=epochs,
            shuffle=False,
            callbacks=list(callbacks),
            verbose=0,
        )

    def _fit_by_user(self, callbacks: Callbacks, first_epoch: int, epochs: int, *, class_numbers: bool) -> None:
        view, own = self._task.view, self._own
        size = 4 * (len(view.train) + len(view.validation)) * math.prod(view.image_shape)
        free = devices.memory_mb()[1] * 1e6
        if size > ARRAYS_SHARE_OF_MEMORY * free:
            raise SpaceError(
                f"HyperModel.fit is given arrays, which take {size / 1e9:.1f} GB here, but {free / 1e9:.1f} GB of "
                "memory are free, and Keras copies them: use fewer workers, smaller images, or leave fit out"
            )
        self.returned = own.run(
            own.images(view.images("train")),
            own.targets(view.targets("train"), class_numbers=class_numbers),
            (
                own.images(view.images("validation")),
                own.targets(view.targets("validation"), class_numbers=class_numbers),
            ),
            epochs=epochs,
            callbacks=callbacks,
        )

    def shuffle(self, epoch: int) -> None:
        if self._train is not None:
            self._train.shuffle(epoch)

    def predict(self) -> NDArray[np.float32]:
        self._has_scored = True
        images = self._task.view.mapped_images("validation")
        rows, batch = np.arange(len(images)), prediction_batch(self._task.view.image_shape, self._batch_size)
        return _in_equal_batches(rows, batch, lambda part: self._network.predict_on_batch(images[part]))


class _UserBatches(StreamedImages):
    """Batches as a user's model takes them: images float32, and targets as its loss takes them."""

    def __init__(
        self,
        images: MappedImages,
        targets: NDArray[Any],
        converted: Callable[[Images], NDArray[np.float32]],
        batch_size: int,
        *,
        seed: int | None,
    ) -> None:
        super().__init__(images, targets, batch_size, seed=seed)
        self._converted = converted

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], NDArray[Any]]:  # type: ignore[override]
        ((batch,)) = super().__getitem__(index)
        return self._converted(batch["images"]), batch["targets"]


def prediction_batch(image_shape: tuple[int, int, int], batch_size: int) -> int:
    """Returns how many validation images a network is asked at once: as few as suit the device, or as it trains on.

    Args:
        image_shape: Height, width, channels.
        batch_size: Images per training step, which take more memory than as many to answer.
    """
    height, width, _ = image_shape
    pixels = PIXELS_ON_PROCESSORS if devices.own_gpu() is None else PIXELS_ON_GPU
    return min(MOST_PREDICTED, max(batch_size, pixels // (height * width)))


def _in_equal_batches(
    rows: NDArray[Any], most: int, answer: Callable[[NDArray[Any]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Returns the answers to all rows, asked in batches of one size, of at most so many rows.

    `predict` would build a tf.data pipeline each epoch, 60 ms. Batches of one size are compiled once.
    """
    batches = -(-len(rows) // most)
    parts = np.resize(rows, (batches, -(-len(rows) // batches)))
    return np.concatenate([answer(part) for part in parts])[: len(rows)].astype(np.float32)
