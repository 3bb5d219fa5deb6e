"""Detection of the pixels that a user's model is made for: 0 to 255 where it scales them itself, else 0 to 1.

The model's layers are not judged by their kinds, since a model may scale by a layer, an operation, a plain division or
`preprocess_input`. Instead it is fed both ranges, and what reaches its first trained layer decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

PROBE_IMAGES = 2
# Initial weights are made for inputs of about unit spread; nothing that is scaled in any usual way spreads further.
SCALED_SPREAD = 20.0
# Means that are subtracted from pixels of 0 to 255, as for ResNet50 and VGG16, are about 100.
SUBTRACTED_MEAN = 10.0


@dataclass(frozen=True)
class PixelRange:
    """The pixels that a model gets."""

    scale: float
    """Factor on pixels of 0 to 255."""
    reason: str
    """The reason for it, in words that follow "since"."""

    @property
    def words(self) -> str:
        """The range in words."""
        return "0 to 255" if self.scale == 1 else "0 to 1"


def stated_range(rescale: bool) -> PixelRange:
    """Returns the range that the user's option `rescale` states."""
    return PixelRange(1 / 255 if rescale else 1.0, f"the option rescale is {'yes' if rescale else 'no'}")


def detected_range(model: keras.Model, shape: tuple[int, int, int]) -> PixelRange:
    """Returns the pixels that a model is made for.

    Args:
        model: The user's model, built.
        shape: (height, width, channels) of an image.
    """
    if (kind := whole_number_input(model)) is not None:
        return PixelRange(1.0, f"its input takes whole numbers ({kind}), to which pixels from 0 to 1 would be rounded")
    pixels = probe_pixels(shape)
    full, unit = _first_trained(model, pixels), _first_trained(model, pixels / np.float32(255))
    if full is None or unit is None:
        return PixelRange(1 / 255, "no layer with weights sees them")
    if isinstance(full.layer, keras.layers.Embedding):
        return PixelRange(1.0, f"its layer '{full.layer.name}' takes whole numbers")
    arrives = f"then {full.low:.3g} to {full.high:.3g} arrive at its layer '{full.layer.name}'"
    if full.spread <= SCALED_SPREAD:
        return PixelRange(1.0, f"it scales them itself ({arrives})")
    if full.spread <= 2 * 255 and max(abs(unit.low), abs(unit.high)) > SUBTRACTED_MEAN:
        return PixelRange(1.0, f"it subtracts means of that range ({arrives})")
    # A layer of the user's own may scale inside itself, so that only its answers show it.
    if full.own and full.answer_spread <= SCALED_SPREAD and full.answer_spread > SCALED_SPREAD * unit.answer_spread:
        return PixelRange(1.0, f"its layer '{full.layer.name}' scales them inside")
    return PixelRange(
        1 / 255, f"it does not scale them: {unit.low:.3g} to {unit.high:.3g} arrive at its layer '{unit.layer.name}'"
    )


def whole_number_input(model: keras.Model) -> str | None:
    """Returns the type of a model's input where it is one of whole numbers, such as `uint8`; else None."""
    inputs = keras.tree.flatten(getattr(model, "inputs", None) or [])
    kinds = [keras.backend.standardize_dtype(tensor.dtype) for tensor in inputs]
    return next((kind for kind in kinds if keras.backend.is_int_dtype(kind)), None)


def probe_pixels(shape: tuple[int, int, int], images: int = PROBE_IMAGES) -> NDArray[np.float32]:
    """Returns the same noise for every call: float32 (images, height, width, channels), whole numbers from 0 to 255."""
    return np.random.default_rng(0).integers(0, 256, (images, *shape)).astype(np.float32)


@dataclass(frozen=True)
class _Seen:
    """The numbers that reached a layer, and those that it answered."""

    layer: keras.layers.Layer
    low: float
    high: float
    answer_spread: float

    @property
    def spread(self) -> float:
        return self.high - self.low

    @property
    def own(self) -> bool:
        return not type(self.layer).__module__.startswith("keras.")


def _first_trained(model: keras.Model, images: NDArray[np.float32]) -> _Seen | None:
    """Returns what reaches the first layer, in order of execution, that has weights of its own to train."""
    seen: list[_Seen] = []
    with contextlib.ExitStack() as stack:
        for layer in _trained_layers(model):
            stack.enter_context(_watched(layer, seen))
        model(images, training=False)
    return seen[0] if seen else None


def _trained_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers that hold weights to train themselves, frozen ones included.

    The statistics of a Normalization layer are no such weights: it scales.
    """
    for layer in model._flatten_layers(include_self=True):
        if layer._trainable_variables:
            yield layer


@contextlib.contextmanager
def _watched(layer: keras.layers.Layer, seen: list[_Seen]) -> Iterator[None]:
    call = layer.call

    def watched_call(*arguments: Any, **keywords: Any) -> Any:
        answer = call(*arguments, **keywords)
        if not seen:
            low, high = _ends([arguments, keywords])
            answer_low, answer_high = _ends(answer)
            seen.append(_Seen(layer, low, high, answer_high - answer_low))
        return answer

    # Past Keras's own __setattr__, which would track it as state of the layer.
    object.__setattr__(layer, "call", watched_call)
    try:
        yield
    finally:
        object.__delattr__(layer, "call")


def _ends(tensors: Any) -> tuple[float, float]:
    """Returns the lowest and the highest finite number in a structure of tensors."""
    arrays = [
        np.asarray(keras.ops.convert_to_numpy(tensor), np.float64)
        for tensor in keras.tree.flatten(tensors)
        if keras.ops.is_tensor(tensor)
    ]
    numbers = np.concatenate([array[np.isfinite(array)].ravel() for array in arrays] or [np.zeros(0)])
    return (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)
