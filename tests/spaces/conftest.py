from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from apertune.datasets.base import DataSpec, Task

SpecMaker = Callable[..., DataSpec]


def make_spec(task: Task = "multiclass", shape: tuple[int, int, int] = (8, 8, 1), classes: int = 4) -> DataSpec:
    """Returns the facts of a tiny, unbalanced data set."""
    if task == "binary":
        classes = 2
    counts = tuple(range(3, 3 + classes))
    return DataSpec(shape, task, tuple("abcdefghij"[:classes]), counts, 12 if task == "multilabel" else sum(counts))


@pytest.fixture(params=["binary", "multiclass", "multilabel"])
def spec(request: pytest.FixtureRequest) -> DataSpec:
    return make_spec(request.param)


@pytest.fixture
def spec_of() -> SpecMaker:
    return make_spec


def make_batch(spec: DataSpec, size: int = 6) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Returns random images and targets for them."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (size, *spec.image_shape), dtype=np.uint8)
    if spec.task == "multiclass":
        return images, np.eye(spec.outputs, dtype=np.float32)[np.arange(size) % spec.outputs]
    return images, random.integers(0, 2, (size, spec.outputs)).astype(np.float32)


@pytest.fixture
def batch_of() -> Callable[..., tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    return make_batch
