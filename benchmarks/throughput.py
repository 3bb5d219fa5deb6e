"""Measures images trained per second for each way to feed pixels to a network, against the network's own limit.

    uv run python benchmarks/throughput.py [--size 48] [--images 2048] [--rounds 3] [--json]
    KERAS_BACKEND=jax uv run python benchmarks/throughput.py

The ways:

limit      the network's training step on one batch that stays on the device
table      Apertune's `TrainingModel` fed with row numbers, with one step and with several steps per execution
stream     Apertune's way for data larger than the device
arrays     Keras `fit` on uint8 arrays
dataset    `tf.data`, shuffled and prefetched
pydataset  a `PyDataset` that indexes arrays

All are warm and train for one epoch in turn, in reverse order every other round. Prints the median speed; the median of
the rounds' shares of the limit, which other load on the machine disturbs less; and the time of the table's first
epoch, compilation included. With augmentation, the limit's step augments its batch too, and the others augment in the
model.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from measurements import Column, Table, arguments_of, tell

from apertune import spaces
from apertune.datasets.base import DataSpec, MappedImages
from apertune.search.training.training_model import StreamedImages, TrainingModel
from apertune.spaces.base import Candidate

CLASSES = 7
AUGMENTED = {"augmentation": "basic", "flip": "horizontal", "rotation": 10.0, "shift": 0.1, "zoom": 0.1}
NETWORKS: dict[str, dict[str, Any]] = {
    "small": {"blocks": 2, "convolutions": 1, "filters": 16},
    "large": {"blocks": 4, "convolutions": 2, "filters": 32},
}
GROUPED = 16
Epoch = Callable[[], object]
# Columns of the tables, by the way that they tell of.
KEYS = {
    "limit": "limit",
    "table": "table",
    f"table, {GROUPED} steps": "grouped",
    "stream": "stream",
    "arrays": "arrays",
    "pydataset": "pydataset",
    "dataset": "dataset",
    "table, XLA": "xla",
}
SPEED = "{0[speed]:,.0f} ({0[share]:.2f})"


class Constant(keras.Model):  # type: ignore[misc]  # Keras ships no types
    """A candidate that trains on one batch held on the device, and ignores the numbers it is called with."""

    def __init__(self, candidate: Candidate, images: Any, targets: Any) -> None:
        super().__init__()
        self.model = TrainingModel(candidate, "multiclass", None)
        self.images = keras.Variable(images, dtype="uint8", trainable=False, autocast=False)
        self.targets = keras.Variable(targets, trainable=False, autocast=False)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.model({"images": self.images, "targets": self.targets}, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        return self.model.compute_loss(y_pred=y_pred)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        return {"loss": self._loss_tracker.result()}


class Augmented(keras.utils.PyDataset):  # type: ignore[misc]  # Keras ships no types
    """Shuffled batches of arrays, as a user would write them."""

    def __init__(self, images: Any, targets: Any, batch_size: int) -> None:
        super().__init__()
        self._images, self._targets, self._batch_size = images, targets, batch_size
        self._order = np.random.default_rng(0).permutation(len(images))

    def __len__(self) -> int:
        return len(self._images) // self._batch_size

    def __getitem__(self, index: int) -> Any:
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return self._images[rows], self._targets[rows]


class Bench:
    """One network with and without augmentation, and every way to feed it."""

    def __init__(
        self, size: int, images: int, batch_size: int, values: dict[str, Any], *, space: str = "convnet"
    ) -> None:
        random = np.random.default_rng(0)
        self.batch_size = batch_size
        self.images = random.integers(0, 256, (images // batch_size * batch_size, size, size, 1), dtype=np.uint8)
        self.labels = np.eye(CLASSES, dtype=np.float32)[random.integers(0, CLASSES, len(self.images))]
        self.space = spaces.load(space, _spec(size, len(self.images)))
        chosen = {"augmentation": "none", "schedule": "constant", "batch_size": batch_size, **values}
        # A published network keeps its published recipe; only the size of its batches is given here.
        self.values = chosen if space == "convnet" else {}

    def candidate(self) -> Candidate:
        searched = spaces.discover(self.space)
        values: dict[str, Any] = {}
        for parameter in searched.active(values):
            values[parameter.name] = self.values.get(parameter.name, parameter.default)
        return self.space.candidate(spaces.hyperparameters(searched, values), epochs=10, seed=0)

    def ways(self) -> dict[str, Epoch]:
        ways = {"limit": self._limit(), "table": self._table(1), f"table, {GROUPED} steps": self._table(GROUPED)}
        ways |= {"stream": self._stream(), "arrays": self._plain("arrays"), "pydataset": self._plain("pydataset")}
        if keras.backend.backend() == "tensorflow":
            ways["dataset"] = self._plain("dataset")
            # JAX always compiles; TensorFlow's XLA does not know all of the augmentation's operations.
            if self.candidate().augmentation is None:
                ways["table, XLA"] = self._table(1, jit=True)
        return ways

    def _limit(self) -> Epoch:
        candidate = self.candidate()
        model = Constant(candidate, self.images[: self.batch_size], self.labels[: self.batch_size])
        model.compile(candidate.optimizer, steps_per_execution=GROUPED)
        ignored = np.arange(len(self.images) // self.batch_size, dtype=np.int32)
        return lambda: model.fit(ignored, batch_size=1, verbose=0, shuffle=False)

    def _table(self, steps: int, *, jit: bool | Literal["auto"] = "auto") -> Epoch:
        candidate = self.candidate()
        model = TrainingModel(candidate, "multiclass", (self.images, self.labels))
        model.compile(candidate.optimizer, steps_per_execution=steps, jit_compile=jit, auto_scale_loss=False)
        rows = np.arange(len(self.images), dtype=np.int32)
        return lambda: model.fit(rows, batch_size=self.batch_size, verbose=0)

    def _stream(self) -> Epoch:
        candidate = self.candidate()
        model = TrainingModel(candidate, "multiclass", None)
        model.compile(candidate.optimizer, auto_scale_loss=False)
        mapped = MappedImages(self.images, np.arange(len(self.images)))
        stream = StreamedImages(mapped, self.labels, self.batch_size, seed=0)
        return lambda: model.fit(stream, verbose=0)

    def _plain(self, feed: str) -> Epoch:
        """Returns an epoch of a user's model: the network behind its augmentation layer, compiled and fitted."""
        candidate = self.candidate()
        model = _Plain(candidate)
        model.compile(candidate.optimizer, candidate.loss, metrics=["accuracy"])
        arrays = (self.images, self.labels)
        if feed == "arrays":
            return lambda: model.fit(*arrays, batch_size=self.batch_size, verbose=0)
        if feed == "pydataset":
            batches = Augmented(*arrays, self.batch_size)
            return lambda: model.fit(batches, verbose=0)
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices(arrays).shuffle(len(self.images)).batch(self.batch_size)
        dataset = dataset.prefetch(tf.data.AUTOTUNE)
        return lambda: model.fit(dataset, verbose=0)


class _Plain(keras.Model):  # type: ignore[misc]  # Keras ships no types
    def __init__(self, candidate: Candidate) -> None:
        super().__init__(name="plain")
        self.network, self.augmentation = candidate.network, candidate.augmentation

    def call(self, images: Any, training: bool = False) -> Any:
        if training and self.augmentation is not None:
            images, _ = self.augmentation((images, ops.zeros((ops.shape(images)[0], CLASSES))), training=True)
        return self.network(images, training=training)


def _spec(size: int, images: int) -> DataSpec:
    names = tuple(map(str, range(CLASSES)))
    return DataSpec((size, size, 1), "multiclass", names, (images // CLASSES,) * CLASSES, images)


def measure(bench: Bench, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Returns per way: median images per second, median share of the limit, and seconds of the first epoch."""
    ways = bench.ways()
    firsts = {}
    for name, epoch in ways.items():
        began = time.perf_counter()
        epoch()
        firsts[name] = time.perf_counter() - began
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways) if number % 2 == 0 else list(ways)[::-1]:
            began = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - began)
    shares = {
        name: statistics.median(limit / own for limit, own in zip(seconds["limit"], taken, strict=True))
        for name, taken in seconds.items()
    }
    speeds = {name: len(bench.images) / statistics.median(taken) for name, taken in seconds.items()}
    return {name: (speeds[name], shares[name], firsts[name]) for name in ways}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--images", type=int, default=2048)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default="small,large")
    arguments = arguments_of(parser)
    backend = keras.backend.backend()
    table = Table(
        "throughput",
        Column("network", "images/s (share of the limit)"),
        *(Column(key, way, "{0:,.0f}" if way == "limit" else SPEED) for way, key in KEYS.items()),
        Column("first", "first epoch (table)", "{:.1f} s"),
    )
    for network in arguments.networks.split(","):
        for augmented in (False, True):
            values = {**NETWORKS[network], **(AUGMENTED if augmented else {})}
            ways = measure(Bench(arguments.size, arguments.images, arguments.batch_size, values), arguments.rounds)
            row = {KEYS[way]: {"speed": speed, "share": share} for way, (speed, share, _) in ways.items()}
            name = f"{backend}, {network}, {'augmented' if augmented else 'plain'}"
            table.add(network=name, **{**row, "limit": ways["limit"][0]}, first=ways["table"][2])
            keras.utils.clear_session()
            print("; ".join(f"{way} {speed:,.0f}" for way, (speed, _, _) in ways.items()), flush=True)
    tell(table)


if __name__ == "__main__":
    main()
