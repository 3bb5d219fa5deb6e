"""Turns any Keras classifier into a network of ours: uint8 pixels in, probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
from keras.src.models.functional import Functional

from ...datasets.base import DataSpec
from ...errors import SpaceError
from .answers import AnswerKind, detected_answers, to_probabilities
from .own_training import compiled_loss
from .pixel_range import PixelRange, detected_range, probe_pixels, stated_range, whole_number_input


@dataclass(frozen=True, eq=False)
class Adapted:
    """A user's model with a network around it that shares its weights."""

    network: keras.Model
    """Maps images uint8 (batch, height, width, channels) to probabilities float32 (batch, outputs)."""
    pixels: PixelRange
    """The pixels that the model gets."""
    answers: AnswerKind
    """The numbers that the model answers with."""
    columns: int
    """Numbers per image: 2 where a binary task has an output for each class."""


def adapted(model: keras.Model, spec: DataSpec, *, name: str, rescale: bool | None = None) -> Adapted:
    """Returns a model with the network around it. Range and kind of numbers are found out from its behaviour.

    Args:
        model: The user's model, compiled or not.
        spec: The data set's facts.
        name: The user's name of the space, for messages.
        rescale: As in `ForeignSpace`.

    Raises:
        SpaceError: The model does not fit the images or the classes, gives one answer only, or has several losses.
    """
    columns = _check_shapes(model, spec, name)
    _check_one_loss(model, name)
    if rescale and (whole := whole_number_input(model)) is not None:
        raise SpaceError(
            f"{name}: the option rescale is yes, but its input takes whole numbers ({whole}), to which pixels from 0 "
            "to 1 would be rounded; leave the option out, or give the input float32"
        )
    pixels = detected_range(model, spec.image_shape) if rescale is None else stated_range(rescale)
    kind = detected_answers(model, spec, name=name, scale=pixels.scale, loss=compiled_loss(model))
    if (last := _last_layer(model)) is not None:
        # float32 even under mixed precision, since 16 bits are too few for a probability near 1.
        last.dtype_policy = keras.DTypePolicy("float32")
    inputs = keras.Input(spec.image_shape, dtype="uint8", name="images")
    scaled = keras.layers.Rescaling(pixels.scale, dtype="float32", name="rescaling")(inputs)
    outputs = to_probabilities(_plain(model)(scaled), kind, spec)
    if spec.task == "binary" and columns == 2:
        outputs = outputs[:, 1:]
    return Adapted(keras.Model(inputs, outputs, name="network"), pixels, kind, columns)


def _plain(model: keras.Model) -> keras.Model:
    """Returns a model of Keras's own classes with the same layers, where the user's class adds nothing to its graph.

    It holds no compile state, and loads without the user's code. A subclassed model is returned as it is.
    """
    is_graph = bool(getattr(model, "outputs", None))
    if not is_graph or type(model).call not in (Functional.call, keras.Sequential.call):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _otherwise(wanted: tuple[int | None, ...], given: tuple[int, int, int]) -> str:
    """Returns what else gives a model the images that it wants, in words; empty without anything."""
    if len(wanted) != len(given) + 1:
        return "; one that takes rows of numbers begins with keras.layers.Flatten()"
    height, width, channels = wanted[1:]
    flags = []
    if (height, width) != given[:2] and height is not None and height == width:
        flags.append(f"--image-size {height}")
    if channels != given[2] and channels in (1, 3):
        flags.append(f"--channels {channels}")
    return f", or set {' '.join(flags)}" if flags else ""


def _check_shapes(model: keras.Model, spec: DataSpec, name: str) -> int:
    """Builds the model on a batch of images, and returns the number of its outputs."""
    for what, parts in (("inputs", getattr(model, "inputs", None)), ("outputs", getattr(model, "outputs", None))):
        if isinstance(parts, list | tuple) and len(parts) > 1:
            raise SpaceError(
                f"{name} must take one image and give one answer, but has {len(parts)} {what}: leave out the others, "
                "or put them into the loss with add_loss"
            )
    try:
        outputs = model(probe_pixels(spec.image_shape), training=False)
    except Exception as error:
        wanted = _wanted_shape(model)
        if wanted is not None and tuple(wanted[1:]) != spec.image_shape:
            raise SpaceError(
                f"{name} takes {wanted}, but the data set's images are {spec.image_shape}; build it for input_shape, "
                f"an argument that a HyperModel class is given{_otherwise(wanted, spec.image_shape)}"
            ) from error
        raise
    if not hasattr(outputs, "shape"):
        raise SpaceError(f"{name} must give one answer, but gives a {type(outputs).__name__}: return one tensor")
    shape = tuple(outputs.shape)
    allowed = {spec.outputs} | ({2} if spec.task == "binary" else set())
    if len(shape) != 2 or shape[-1] not in allowed:
        wanted_outputs = " or ".join(f"(images, {columns})" for columns in sorted(allowed))
        found = (None, *shape[1:])
        remedy = "take the number from classes, an argument that a HyperModel class is given"
        if len(shape) > 2 and shape[-1] in allowed:
            remedy = "end it with a Flatten or a global pooling layer"
        raise SpaceError(
            f"{name} must yield {wanted_outputs} for this {spec.task} data set, but yields {found}; {remedy}"
        )
    return int(shape[-1])


def _wanted_shape(model: keras.Model) -> tuple[int | None, ...] | None:
    try:
        shape = model.input_shape
    # A subclassed model that was never called has none.
    except Exception:
        return None
    return shape if isinstance(shape, tuple) else None


def _check_one_loss(model: keras.Model, name: str) -> None:
    loss = compiled_loss(model)
    if loss is not None and not isinstance(loss, str) and not callable(loss):
        raise SpaceError(f"{name} must be compiled with one loss, but has several: {loss}")


def _last_layer(model: keras.Model) -> Any:
    """Returns the layer that gives the model's answer; None where that is not known, as for a subclassed model."""
    last: Any = model
    while isinstance(last, keras.Model):
        outputs = getattr(last, "outputs", None)
        if not outputs:
            return None
        last = outputs[0]._keras_history.operation
    return last if isinstance(last, keras.layers.Layer) else None
