"""What a network costs to store and to answer with, known before it is trained. Imported in workers only.

parameters: numbers held. size_mb: their bytes, in units of 10^6. flops: floating-point operations of one image's
answer, two for each multiplication with its addition, elementwise work left out, as model papers count them.
latency_ms: one image's answer on this device, batch of 1, median, the call from Python included.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

WARM_UP_CALLS = 3
TIMED_CALLS = 30


def measure_cost(network: Any, image_shape: tuple[int, int, int], *, latency: bool) -> dict[str, float]:
    """Costs by name; `latency_ms` only where wanted, since it takes a compilation."""
    cost = {
        "parameters": float(network.count_params()),
        "size_mb": sum(math.prod(weight.shape) * _item_size(weight) for weight in network.weights) / 1e6,
        "flops": float(flops(network)),
    }
    if latency:
        cost["latency_ms"] = _latency_ms(network, image_shape)
    return cost


def broken_limits(cost: Mapping[str, float], limits: Mapping[str, float]) -> str:
    """Says which limits a cost breaks; empty when none."""
    broken = [
        f"{name} {cost[name]:,.6g} is over its limit of {limit:,.6g}"
        for name, limit in limits.items()
        if cost[name] > limit
    ]
    return "; ".join(broken)


def flops(network: Any) -> int:
    """Twice the multiplications of every kernel, at every place it is applied, for one image.

    A kernel with k numbers, applied at p places of its output, multiplies p * k times, whether dense, grouped,
    depthwise or separable. Layers without a kernel count nothing; a layer called twice counts twice.
    """
    return sum(2 * _multiplications(operation, shape) for operation, shape in _calls(network))


def _calls(network: Any) -> Iterator[tuple[Any, tuple[int | None, ...]]]:
    """Every layer call of a network with its output's shape, nested networks opened."""
    nodes = getattr(network, "_nodes", None)
    if nodes is None or not hasattr(network, "operations"):
        raise TypeError(f"{type(network).__name__} is no network of layers in a graph")
    own = {id(node) for depth in network._nodes_by_depth.values() for node in depth}
    for operation in network.operations:
        for node in operation._inbound_nodes:
            if id(node) not in own:
                continue
            if isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth"):
                yield from _calls(operation)
            else:
                yield operation, tuple(node.output_tensors[0].shape)


def _multiplications(layer: Any, shape: tuple[int | None, ...]) -> int:
    kernels = [weight for weight in getattr(layer, "weights", ()) if weight.path.rpartition("/")[2].endswith("kernel")]
    if not kernels:
        return 0
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    places = shape[2:] if channels_first else shape[1:-1]
    positions = math.prod(size or 1 for size in places)
    return int(positions * sum(math.prod(kernel.shape) for kernel in kernels))


def _item_size(weight: Any) -> int:
    return int(np.dtype("uint16" if weight.dtype == "bfloat16" else weight.dtype).itemsize)


def _latency_ms(network: Any, image_shape: tuple[int, int, int]) -> float:
    image = np.zeros((1, *image_shape), np.uint8)
    for _ in range(WARM_UP_CALLS):
        network.predict_on_batch(image)
    times = []
    for _ in range(TIMED_CALLS):
        began = time.perf_counter()
        network.predict_on_batch(image)
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)
