"""The way of pixels to the network: row numbers -> image table -> augmentation -> network.

Imported in workers only, since it imports Keras.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from ...datasets.base import Images, MappedImages, Task
from ...spaces.base import Candidate

Floats = NDArray[np.float32]

STREAMED_BATCHES_IN_MEMORY = 8


class TrainingModel(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A candidate's network in its training graph.

    With a table, it is called with row numbers, int32 (batch,); the table's pixels, uint8 (n, height, width,
    channels), and targets, float32 (n, outputs), lie in device memory and nothing else crosses to the device.
    Without one, it is called with a dictionary of `images` and `targets`.
    Yields (probabilities, targets), each float32 (batch, outputs); targets may have been mixed. With `masked`, targets
    may be NaN: such a label neither teaches nor counts, nor does one that was mixed with it.
    """

    def __init__(
        self, candidate: Candidate, task: Task, table: tuple[Images, Floats] | None, *, masked: bool = False
    ) -> None:
        super().__init__(name="training")
        self.task = task
        self.network = candidate.network
        self.augmentation = candidate.augmentation
        self.views = candidate.views
        assert candidate.loss is not None
        self.candidate_loss = candidate.loss
        self.accuracy = keras.metrics.Mean(name="accuracy")
        self.table_images: Any = None
        self.table_targets: Any = None
        self.table_order: Any = None
        if table is not None:
            images, targets = table
            self.table_images = keras.Variable(images, dtype="uint8", trainable=False, autocast=False)
            self.table_targets = keras.Variable(targets, dtype="float32", trainable=False, autocast=False)
            order = np.arange(len(images), dtype=np.int32)
            self.table_order = keras.Variable(order, dtype="int32", trainable=False, autocast=False)
        # Data without masked labels keep the graph that they had.
        self.masked = masked

    def shuffle(self, rows: int, seed: int, epoch: int) -> None:
        """Puts the first rows of the table into the order of an epoch; row number i then means the row in place i."""
        order = np.arange(self.table_order.shape[0], dtype=np.int32)
        order[:rows] = epoch_order(rows, seed, epoch)
        self.table_order.assign(order)

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any]:
        if self.table_images is None:
            images, targets = inputs["images"], inputs["targets"]
        else:
            rows = _gather(self.table_order, inputs)
            images, targets = _gather(self.table_images, rows), _gather(self.table_targets, rows)
        if training and self.augmentation is not None:
            images, targets = self.augmentation((images, targets), training=True)
        # As the saved model answers, which `answering_network` makes.
        views = [images] if training or self.views is None else self.views(images)
        answers = [ops.cast(self.network(view, training=training), "float32") for view in views]
        return sum(answers[1:], answers[0]) / len(answers) if len(answers) > 1 else answers[0], targets

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        probabilities, targets = y_pred
        if self.masked:
            # A sure and right answer has no loss that teaches: nothing flows back from it to the network.
            left_out = ops.isnan(targets)
            probabilities, targets = (ops.where(left_out, 0.0, values) for values in (probabilities, targets))
        loss = ops.mean(self.candidate_loss(targets, probabilities))
        for regularization in self.losses:
            loss = loss + ops.cast(regularization, "float32")
        return loss

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        probabilities, targets = y_pred
        if self.task == "multiclass":
            right = ops.equal(ops.argmax(probabilities, axis=-1), ops.argmax(targets, axis=-1))
        else:
            right = ops.equal(probabilities > 0.5, targets > 0.5)
        counting = ops.cast(ops.logical_not(ops.isnan(targets)), "float32") if self.masked else None
        self.accuracy.update_state(ops.cast(right, "float32"), sample_weight=counting)
        return {metric.name: metric.result() for metric in self.metrics}


def _gather(table: Any, rows: Any) -> Any:
    """Returns rows of a table by their numbers, which are never negative.

    `ops.take` lets negative numbers count from the end, by seven more operations on TensorFlow, which take a tenth of a
    second per trial to trace.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.take(table, rows, axis=0)
    import tensorflow as tf

    return tf.gather(table.value, rows)


class StreamedImages(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Batches copied from a memory map, for data too large for the device: {images, targets} in random order."""

    def __init__(self, images: MappedImages, targets: Floats, batch_size: int, *, seed: int | None) -> None:
        super().__init__(workers=1, max_queue_size=STREAMED_BATCHES_IN_MEMORY)
        self._images, self._targets, self._batch_size = images, targets, batch_size
        self._seed = seed
        self._order = np.arange(len(images))
        self.shuffle(0)

    def shuffle(self, epoch: int) -> None:
        """Puts the rows into the order of an epoch; without a seed they stay in their own."""
        if self._seed is not None:
            self._order = epoch_order(len(self._images), self._seed, epoch)

    def __len__(self) -> int:
        return -(-len(self._images) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[dict[str, NDArray[Any]]]:
        # Sorted rows read a memory map front to back; order within a batch does not matter.
        rows = np.sort(self._order[index * self._batch_size : (index + 1) * self._batch_size])
        return ({"images": self._images[rows], "targets": self._targets[rows]},)


def epoch_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Returns the order in which an epoch sees the training rows, int64 (rows,).

    It depends on seed and epoch alone, so that a resumed training sees the images that it would have seen.
    """
    return np.random.default_rng((seed, epoch)).permutation(rows)
