"""Turns any Keras classifier into a candidate's network: uint8 pixels in, probabilities out, one loss per example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from ...datasets.base import DataSpec
from ...errors import SpaceError

Loss = Callable[[Any, Any], Any]

RESCALING_LAYERS = (keras.layers.Rescaling, keras.layers.Normalization)


def adapted(
    model: keras.Model, spec: DataSpec, *, name: str, rescale: bool | None = None
) -> tuple[keras.Model, Loss | None]:
    """Returns the network and the loss that the model was compiled with, None where it was not compiled.

    Args:
        model: The user's model.
        spec: The data set's facts.
        name: The user's name of the space, for messages.
        rescale: As in `ForeignSpace`.

    Raises:
        SpaceError: The model does not fit the images or the classes, or has several losses.
    """
    if rescale is None:
        rescale = not any(isinstance(layer, RESCALING_LAYERS) for layer in _layers(model))
    # float32 even under mixed precision, since 16 bits are too few for a probability near 1.
    _last_layer(model).dtype_policy = keras.DTypePolicy("float32")
    inputs = keras.Input(spec.image_shape, dtype="uint8", name="images")
    scaled = keras.layers.Rescaling(1 / 255 if rescale else 1.0, dtype="float32", name="rescaling")(inputs)
    try:
        outputs = model(scaled)
    except ValueError as error:
        wanted = getattr(model, "input_shape", "another shape")
        raise SpaceError(f"{name} takes {wanted}, but the data set's images are {spec.image_shape}") from error
    loss = _resolved_loss(model, name)
    logits = _yields_logits(model, loss)
    columns = _columns(outputs, spec, name)
    if logits:
        activation = "softmax" if spec.task == "multiclass" or columns == 2 else "sigmoid"
        outputs = keras.layers.Activation(activation, dtype="float32", name="probabilities")(outputs)
    two_columns = spec.task == "binary" and columns == 2
    if two_columns:
        outputs = outputs[:, 1:]
    network = keras.Model(inputs, outputs, name="network")
    return network, None if loss is None else _per_example(loss, two_columns=two_columns)


def _layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _columns(outputs: Any, spec: DataSpec, name: str) -> int:
    shape: tuple[int | None, ...] = getattr(outputs, "shape", ())
    allowed = {spec.outputs} | ({2} if spec.task == "binary" else set())
    if len(shape) != 2 or shape[-1] not in allowed:
        wanted = " or ".join(f"(images, {columns})" for columns in sorted(allowed))
        raise SpaceError(f"{name} must yield {wanted} for this {spec.task} data set, but yields {tuple(shape)}")
    return shape[-1] or 0


def _resolved_loss(model: keras.Model, name: str) -> Any:
    if not model.compiled or model.loss is None:
        return None
    if isinstance(model.loss, str):
        return keras.losses.get(model.loss)
    if not callable(model.loss):
        raise SpaceError(f"{name} must be compiled with one loss, but has a {type(model.loss).__name__} of losses")
    return model.loss


def _yields_logits(model: keras.Model, loss: Any) -> bool:
    if isinstance(loss, keras.losses.Loss):
        return bool(loss.get_config().get("from_logits", False))
    if loss is not None:
        return False
    return getattr(_last_layer(model), "activation", None) is keras.activations.linear


def _last_layer(model: keras.Model) -> Any:
    last: Any = model
    while isinstance(last, keras.Model) and last.layers:
        last = last.layers[-1]
    return last


def _per_example(loss: Any, *, two_columns: bool) -> Loss:
    """Returns the loss as one that yields one number per example for one-hot targets and probabilities.

    Args:
        loss: The loss that the user compiled with.
        two_columns: Whether the model yields both classes of a binary task, of which the network keeps the second.
    """
    if isinstance(loss, keras.losses.Loss):
        config = loss.get_config()
        if config.get("from_logits"):
            loss = type(loss).from_config({**config, "from_logits": False})
        # `call` is the loss before Keras reduces it to one number per batch.
        function, loss_name = loss.call, type(loss).__name__
    else:
        function, loss_name = loss, getattr(loss, "__name__", "")
    sparse = "sparse" in loss_name.lower()

    def example_loss(targets: Any, probabilities: Any) -> Any:
        if two_columns:
            targets = ops.concatenate([1.0 - targets, targets], axis=1)
            probabilities = ops.concatenate([1.0 - probabilities, probabilities], axis=1)
        count = ops.shape(targets)[0]
        losses = function(ops.argmax(targets, axis=-1) if sparse else targets, probabilities)
        if len(losses.shape) > 1:
            losses = ops.mean(ops.reshape(losses, (count, -1)), axis=1)
        return ops.broadcast_to(losses, (count,))

    return example_loss
