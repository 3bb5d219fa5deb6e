"""The costs of a network, in storage and in answering, known before it is trained. Imported in workers only.

parameters: numbers held. size_mb: their bytes, in units of 10^6. flops: floating-point operations of one image's
answer, two for each multiplication with its addition, elementwise work left out, as model papers count them.
latency_ms: one image's answer on this device, batch of 1, median, the call from Python included.
"""

from __future__ import annotations

import contextlib
import logging
import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from ...errors import SpaceError

logger = logging.getLogger(__name__)

Shape = tuple[int | None, ...]

WARM_UP_CALLS = 3
TIMED_CALLS = 30
# These apply their kernels once at each place of their input, not of their output.
TRANSPOSED_CONVOLUTIONS = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
# These hold functions of other frameworks, or call a layer in a loop that tracing walks through once.
UNCOUNTABLE_LAYERS = (
    keras.layers.TimeDistributed,
    keras.layers.TFSMLayer,
    keras.layers.JaxLayer,
    keras.layers.FlaxLayer,
    keras.layers.TorchModuleWrapper,
)


def measure_cost(network: Any, image_shape: tuple[int, int, int], *, latency: bool) -> dict[str, float]:
    """Returns costs by name: `latency_ms` only if wanted, since it takes a compilation, and `flops` only if known."""
    cost = {
        "parameters": float(network.count_params()),
        "size_mb": sum(math.prod(weight.shape) * _item_size(weight) for weight in network.weights) / 1e6,
    }
    operations = flops(network)
    if operations is not None:
        cost["flops"] = float(operations)
    if latency:
        cost["latency_ms"] = _latency_ms(network, image_shape)
    return cost


def broken_limits(cost: Mapping[str, float], limits: Mapping[str, float]) -> str:
    """Returns a text on the limits that a cost breaks; empty if it breaks none.

    Raises:
        SpaceError: There is a limit, be it an infinite one, on a cost that is not known.
    """
    for name in limits:
        if name not in cost:
            raise SpaceError(
                f"{name} of this network cannot be counted (the worker's log says why), so neither a limit nor an "
                "objective can be set on it; take parameters, size_mb or latency_ms instead"
            )
    broken = [
        f"{name} {cost[name]:,.6g} is over its limit of {limit:,.6g}"
        for name, limit in limits.items()
        if cost[name] > limit
    ]
    return "; ".join(broken)


def flops(network: Any) -> int | None:
    """Returns twice the multiplications of every kernel, at every place, for one image; None if they are unknown.

    A kernel with k numbers, applied at p places of its output, multiplies p * k times, whether dense, grouped,
    depthwise or separable. Layers without a kernel count nothing; a layer called twice counts twice. Tracing
    finds the calls within a user's own model or layer; `_UncountableError` names those that it does not find.
    """
    try:
        return sum(2 * _multiplications(call) for call in _calls(network))
    except _UncountableError as error:
        logger.warning("flops are left out: %s", error)
        return None


class _UncountableError(Exception):
    """A layer keeps matrices that are no kernels, applies them unseen, or repeats a layer nobody knows how often."""


@dataclass(frozen=True)
class _Call:
    """One call of a layer."""

    layer: Any
    taken: Shape
    """Shape of its input, the batch first; a batch of None is one image."""

    yielded: Shape
    """Shape of its output."""


def _calls(network: Any) -> Iterator[_Call]:
    """Every layer call of a network that is a graph, those of nested networks included."""
    network = _graph(network)
    if network is None:
        raise _UncountableError("the network is no graph of layers")
    own = {id(node) for depth in network._nodes_by_depth.values() for node in depth}
    for operation in network.operations:
        for node in operation._inbound_nodes:
            if id(node) in own:
                yield from _opened(operation, node)


def _opened(operation: Any, node: Any) -> Iterator[_Call]:
    """The layer calls within one step of a graph."""
    taken = node.arguments.keras_tensors
    graph = _graph(operation)
    if graph is not None and _sizes(graph.inputs) == _sizes(taken):
        yield from _calls(graph)
    elif getattr(operation, "_layers", ()) and not isinstance(operation, keras.layers.RNN):
        yield from _traced(operation, node.arguments)
    else:
        yield _Call(operation, _shape(taken), _shape(node.output_tensors))


def _graph(operation: Any) -> Any:
    """The model that holds the nodes, which lies within a `Sequential`; None for a layer that is no graph of nodes."""
    graph = getattr(operation, "_functional", None) or operation
    by_nodes = hasattr(graph, "_nodes_by_depth") and type(operation).call.__module__.startswith("keras.")
    return graph if by_nodes else None


def _sizes(tensors: Any) -> list[Shape]:
    return [tuple(tensor.shape)[1:] for tensor in keras.tree.flatten(tensors)]


def _shape(tensors: Any) -> Shape:
    """The shape of the first of some tensors."""
    return next((tuple(tensor.shape) for tensor in keras.tree.flatten(tensors) if hasattr(tensor, "shape")), ())


def _traced(layer: Any, arguments: Any) -> list[_Call]:
    """The calls of a layer and of all layers in it, when it is given one image; nothing is computed."""
    calls: list[_Call] = []
    opened = _with_inner_layers(layer)
    given, named = arguments.convert(_of_one_image)
    with contextlib.ExitStack() as noted:
        for inner in opened:
            # Beside the class's own `call`; the attribute is taken away again.
            vars(inner)["call"] = _noting(inner, inner.call, calls)
            noted.callback(vars(inner).pop, "call")
        try:
            keras.Operation.compute_output_spec(layer, *given, **named)
        except Exception as error:
            raise _UncountableError(f"{layer.name} cannot be traced: {error}") from error
    called = {id(call.layer) for call in calls}
    for inner in opened:
        if _kernels(inner) and id(inner) not in called:
            raise _UncountableError(f"{layer.name} does not call {inner.name}, whose kernel it holds")
    return calls


def _with_inner_layers(layer: Any) -> list[Any]:
    """The layer and those in it, at any depth, each once; a recurrent layer is one."""
    found = {id(layer): layer}
    waiting = [layer]
    while waiting:
        outer = waiting.pop()
        inner = [] if isinstance(outer, keras.layers.RNN) else [each for each in outer._layers if id(each) not in found]
        found.update((id(each), each) for each in inner)
        waiting += inner
    return list(found.values())


def _of_one_image(value: Any) -> Any:
    if not isinstance(value, keras.KerasTensor):
        return value
    return keras.KerasTensor((1, *value.shape[1:]), dtype=value.dtype)


def _noting(layer: Any, call: Callable[..., Any], calls: list[_Call]) -> Callable[..., Any]:
    def noted(*given: Any, **named: Any) -> Any:
        answer = call(*given, **named)
        calls.append(_Call(layer, _shape((given, named)), _shape(answer)))
        return answer

    return noted


def _multiplications(call: _Call) -> int:
    if isinstance(call.layer, UNCOUNTABLE_LAYERS):
        raise _UncountableError(f"what {call.layer.name} computes is not seen")
    kernels = _kernels(call.layer)
    if not kernels:
        return 0
    places = _places(call)
    if None in places[1:]:
        raise _UncountableError(f"{call.layer.name} yields {call.yielded}, whatever the image")
    positions = math.prod(size or 1 for size in places)
    return int(positions * sum(math.prod(kernel.shape) for kernel in kernels))


def _places(call: _Call) -> Shape:
    """The number of places of a kernel along each axis, the batch first."""
    layer = call.layer
    if isinstance(layer, keras.layers.RNN):
        if len(call.taken) != 3:
            raise _UncountableError(f"{layer.name} repeats more than matrices")
        return call.taken[:2]
    if isinstance(layer, keras.layers.EinsumDense):
        _, kernel, answer = layer.equation.replace("->", ",").replace("...", "").split(",")
        kept = len(call.yielded) - len(answer)
        named = zip(answer, call.yielded[kept:], strict=True)
        return (*call.yielded[:kept], *(size for letter, size in named if letter not in kernel))
    shape = call.taken if isinstance(layer, TRANSPOSED_CONVOLUTIONS) else call.yielded
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return (shape[0], *(shape[2:] if channels_first else shape[1:-1]))


def _kernels(layer: Any) -> list[Any]:
    """The layer's own kernels, without those of layers in it, which count by themselves.

    Raises:
        _UncountableError: A user's own layer has a matrix that is perhaps no kernel.
    """
    if isinstance(layer, keras.layers.RNN):
        own = layer.weights
    else:
        own = [*getattr(layer, "_trainable_variables", ()), *getattr(layer, "_non_trainable_variables", ())]
    kernels = [weight for weight in own if weight.path.rpartition("/")[2].endswith("kernel")]
    if not type(layer).__module__.startswith("keras."):
        matrices = [weight.path for weight in own if len(weight.shape) > 1 and weight not in kernels]
        if matrices:
            raise _UncountableError(f"how often {matrices[0]} is applied is not known")
    return kernels


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
