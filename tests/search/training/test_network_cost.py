"""Costs of networks, compared with counts made by hand."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from apertune.datasets.base import DataSpec
from apertune.errors import SpaceError
from apertune.search.training.network_cost import broken_limits, flops, measure_cost
from apertune.spaces.foreign.adaptation import adapted


def network(*stack: keras.layers.Layer, shape: tuple[int, int, int] = (8, 6, 3)) -> keras.Model:
    image = keras.Input(shape)
    answer = image
    for layer in stack:
        answer = layer(answer)
    return keras.Model(image, answer)


@pytest.mark.parametrize(
    ("stack", "multiplications"),
    [
        ([layers.Conv2D(4, 3, padding="same")], 8 * 6 * 9 * 3 * 4),
        ([layers.Conv2D(4, 3, strides=2, padding="same")], 4 * 3 * 9 * 3 * 4),
        ([layers.Conv2D(6, 3, padding="same", groups=3)], 8 * 6 * 9 * 1 * 6),
        ([layers.DepthwiseConv2D(3, padding="same")], 8 * 6 * 9 * 3),
        ([layers.SeparableConv2D(4, 3, padding="same")], 8 * 6 * (9 * 3 + 3 * 4)),
        ([layers.Flatten(), layers.Dense(5), layers.ReLU(), layers.Dense(2)], 8 * 6 * 3 * 5 + 5 * 2),
        ([layers.Rescaling(1 / 255), layers.BatchNormalization(), layers.MaxPooling2D()], 0),
    ],
)
def test_operations_are_those_counted_by_hand(stack: list[keras.layers.Layer], multiplications: int) -> None:
    """Each multiplication with its addition counts two operations, for every kind of kernel."""
    assert flops(network(*stack)) == 2 * multiplications


def test_nested_networks_and_shared_layers_count() -> None:
    """A layer inside a nested network counts, and one that is called twice counts twice."""
    inner = network(layers.Conv2D(3, 1), shape=(8, 6, 3))
    shared = layers.Conv2D(3, 1)
    assert flops(network(inner, shared, shared)) == 2 * 3 * (8 * 6 * 3 * 3)


def test_costs_and_limits() -> None:
    """Parameters, bytes and latency are measured, and a broken limit is named with its numbers."""
    small = network(layers.Flatten(), layers.Dense(1000))
    cost = measure_cost(small, (8, 6, 3), latency=True)
    assert cost["parameters"] == 144 * 1000 + 1000
    assert cost["size_mb"] == pytest.approx(0.58)
    assert 0 < cost["latency_ms"] < 10_000
    assert "latency_ms" not in measure_cost(small, (8, 6, 3), latency=False)
    assert broken_limits(cost, {"parameters": 145_000.0}) == ""
    assert broken_limits(cost, {"parameters": 1000.0}) == "parameters 145,000 is over its limit of 1,000"


class Block(layers.Layer):
    """A user's own layer of layers, with a shortcut."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.stages = [layers.Conv2D(filters, 3, padding="same"), layers.BatchNormalization()]
        self.shortcut = layers.Conv2D(filters, 1)

    def build(self, shape: Any) -> None:
        for layer in (self.stages[0], self.shortcut):
            layer.build(shape)
        self.stages[1].build(self.stages[0].compute_output_shape(shape))

    def call(self, images: Any) -> Any:
        answer = images
        for layer in self.stages:
            answer = layer(answer)
        return answer + self.shortcut(images)

    def compute_output_shape(self, shape: Any) -> Any:
        return self.shortcut.compute_output_shape(shape)


class Classifier(keras.Model):
    """A user's own model, whose graph is unknown before it is traced."""

    def __init__(self, features: keras.Model) -> None:
        super().__init__()
        self.features = features
        self.flat = layers.Flatten()
        self.answers = layers.Dense(5)

    def call(self, images: Any) -> Any:
        return self.answers(self.flat(self.features(images)))


class Twice(keras.Sequential):
    """A user's own stack that applies its layers twice."""

    def call(self, images: Any, **_: Any) -> Any:
        return super().call(super().call(images))


class Matrix(layers.Layer):
    """A user's own layer that multiplies by a matrix not called a kernel."""

    def build(self, shape: Any) -> None:
        self.matrix = self.add_weight(shape=(shape[-1], 4), name="matrix")

    def call(self, images: Any) -> Any:
        return images @ self.matrix


class Borrower(layers.Layer):
    """A user's own layer that uses the kernel of an inner layer without calling that layer."""

    def build(self, shape: Any) -> None:
        self.dense = layers.Dense(4)
        self.dense.build(shape)

    def call(self, images: Any) -> Any:
        return images @ self.dense.kernel


class SelfAttention(layers.Layer):
    """Two heads of seven numbers: a kernel each for queries, keys, values and the output."""

    def build(self, shape: Any) -> None:
        self.attention = layers.MultiHeadAttention(2, 7)
        rows = (shape[0], shape[1] * shape[2], shape[3])
        self.attention.build(rows, rows)

    def call(self, images: Any) -> Any:
        rows = keras.ops.reshape(images, (-1, 48, 3))
        return self.attention(rows, rows)


def convolutions() -> list[keras.layers.Layer]:
    return [layers.Conv2D(4, 3, padding="same", activation="relu"), layers.MaxPooling2D(), layers.Conv2D(6, 3)]


SPEC = DataSpec((8, 6, 3), "multiclass", tuple("abcde"), (2, 2, 2, 2, 2), 10)
CONVOLUTIONS = 8 * 6 * 9 * 3 * 4 + 2 * 1 * 9 * 4 * 6
BLOCKS = 8 * 6 * (9 * 3 * 4 + 3 * 4) + 8 * 6 * (9 * 4 * 6 + 4 * 6)


@pytest.mark.parametrize(
    ("features", "multiplications"),
    [
        (lambda: network(*convolutions()), CONVOLUTIONS + 12 * 5),
        (lambda: network(*convolutions(), shape=(None, None, 3)), CONVOLUTIONS + 12 * 5),
        (lambda: keras.Sequential(convolutions()), CONVOLUTIONS + 12 * 5),
        (lambda: keras.Sequential([keras.Input((8, 6, 3)), *convolutions()]), CONVOLUTIONS + 12 * 5),
        (lambda: keras.Sequential([network(keras.Sequential(convolutions()))]), CONVOLUTIONS + 12 * 5),
        (lambda: keras.Sequential([Block(4), Block(6)]), BLOCKS + 8 * 6 * 6 * 5),
    ],
    ids=["graph", "graph of any size", "stack", "stack with input", "nested twice", "own layers"],
)
@pytest.mark.parametrize("own_model", [False, True])
def test_a_users_own_model_counts_as_its_layers_do(features: Any, multiplications: int, *, own_model: bool) -> None:
    """The same layers count the same, however a user combines them."""
    stack = [keras.Input((8, 6, 3)), features(), layers.Flatten(), layers.Dense(5)]
    model = Classifier(features()) if own_model else keras.Sequential(stack)
    trained = adapted(model, SPEC, name="own").network
    assert flops(trained) == 2 * multiplications
    assert np.asarray(trained(np.zeros((2, 8, 6, 3), np.uint8))).shape == (2, 5)
    assert not any("call" in vars(layer) for layer in model._flatten_layers())


@pytest.mark.parametrize(
    ("stack", "multiplications"),
    [
        ([layers.Conv2DTranspose(4, 3, strides=2, padding="same")], 8 * 6 * 9 * 3 * 4),
        ([layers.Reshape((8, 18)), layers.LSTM(5)], 8 * (18 + 5) * 4 * 5),
        ([layers.Reshape((8, 18)), layers.Bidirectional(layers.GRU(5))], 2 * 8 * (18 + 5) * 3 * 5),
        ([layers.EinsumDense("bhwc,cde->bhwde", (8, 6, 2, 5))], 8 * 6 * 3 * 2 * 5),
        ([layers.EinsumDense("...c,cd->...d", 5)], 8 * 6 * 3 * 5),
        ([Twice([layers.Conv2D(3, 1)])], 2 * 8 * 6 * 3 * 3),
        ([SelfAttention()], 4 * 48 * 3 * 2 * 7),
    ],
)
def test_a_kernel_counts_wherever_it_is_applied(stack: list[keras.layers.Layer], multiplications: int) -> None:
    """A kernel counts at every place it is applied, even if the output has another number of places."""
    assert flops(network(*stack)) == 2 * multiplications


@pytest.mark.parametrize(
    "stack",
    [
        [Matrix()],
        [Borrower()],
        [keras.Sequential([Borrower()])],
        [layers.TimeDistributed(layers.Dense(4))],
        [layers.ConvLSTM1D(4, 3)],
    ],
)
def test_an_unknown_count_is_left_out_and_not_limited(stack: list[keras.layers.Layer]) -> None:
    """A network has no operation count, rather than a wrong one, if a matrix is applied an unknown number of times."""
    cost = measure_cost(network(*stack), (8, 6, 3), latency=False)
    assert sorted(cost) == ["parameters", "size_mb"]
    assert broken_limits(cost, {"parameters": 1e9}) == ""
    for limit in (1e9, math.inf):
        with pytest.raises(SpaceError, match=r"flops of this network cannot be counted .*, so neither a limit nor"):
            broken_limits(cost, {"flops": limit})
