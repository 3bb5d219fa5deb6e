"""What networks cost, against counts made by hand."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from apertune.search.training.network_cost import broken_limits, flops, measure_cost


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
    """Parameters, bytes and latency are measured, and a limit that is broken is named with its numbers."""
    small = network(layers.Flatten(), layers.Dense(1000))
    cost = measure_cost(small, (8, 6, 3), latency=True)
    assert cost["parameters"] == 144 * 1000 + 1000
    assert cost["size_mb"] == pytest.approx(0.58)
    assert 0 < cost["latency_ms"] < 10_000
    assert "latency_ms" not in measure_cost(small, (8, 6, 3), latency=False)
    assert broken_limits(cost, {"parameters": 145_000.0}) == ""
    assert broken_limits(cost, {"parameters": 1000.0}) == "parameters 145,000 is over its limit of 1,000"
