"""Detection of a user's model's answers: probabilities, logits, or estimates of the targets.

Layers and losses are not judged by their names. The weights are replaced by random ones, and the images by far
brighter ones: a probability stays between 0 and 1 whatever its weights and its input are, and a logit does not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import Enum
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataSpec
from ...errors import SpaceError
from .pixel_range import probe_pixels

# Spreads of the random weights, the first being those that the model has.
_WEIGHT_SPREADS = (None, 0.3, 3.0)
_PROBES = 6
_LEAST_PROBABILITY = 1e-6
# Losses that bring an answer close to its target, so that a linear answer estimates a probability.
_REGRESSION_LOSSES = {"mse", "mae", "huber", "log_cosh", "logcosh"} | {
    f"mean_{kind}_error" for kind in ("squared", "absolute", "squared_logarithmic", "absolute_percentage")
}


class AnswerKind(Enum):
    """The numbers that a model answers with."""

    PROBABILITIES = "probabilities"
    SHARES = "shares that do not add up to 1"
    LOGITS = "logits"
    ESTIMATES = "estimates of the targets"


def detected_answers(model: keras.Model, spec: DataSpec, *, name: str, scale: float, loss: Any) -> AnswerKind:
    """Returns the kind of a model's answers.

    Args:
        model: The user's model, built; its weights are the same afterwards.
        spec: The data set's facts.
        name: The user's name of the space, for messages.
        scale: Factor on pixels of 0 to 255.
        loss: The loss that the model was compiled with, as the user gave it; None without one.

    Raises:
        SpaceError: The model gives one answer to every image, whatever its weights are.
    """
    answers = _answers(model, spec, scale)
    if len(answers) and all(np.allclose(rows, rows[:1], rtol=0, atol=1e-7) for rows in answers):
        raise SpaceError(
            f"{name} gives the same answer to every image, whatever its weights are"
            + (
                ", since the softmax of a single number is always 1; use a sigmoid, or two outputs"
                if answers[0].shape[1] == 1 and np.allclose(answers[0], 1)
                else ""
            )
        )
    numbers = np.concatenate([rows.ravel() for rows in answers] or [np.zeros(0)])
    if numbers.size and numbers.min() >= -1e-4 and numbers.max() <= 1 + 1e-4:
        one_class = spec.task == "multiclass" or (spec.task == "binary" and answers[0].shape[1] == 2)
        adds_up = all(np.allclose(rows.sum(axis=1), 1, atol=1e-2) for rows in answers)
        return AnswerKind.SHARES if one_class and not adds_up else AnswerKind.PROBABILITIES
    return AnswerKind.ESTIMATES if _is_regression(loss) else AnswerKind.LOGITS


def to_probabilities(outputs: Any, kind: AnswerKind, spec: DataSpec) -> Any:
    """Returns probabilities, float32, in place of answers of a kind; both are outputs of a functional network."""
    one_class = spec.task == "multiclass" or (spec.task == "binary" and outputs.shape[-1] == 2)
    if kind is AnswerKind.LOGITS:
        activation = "softmax" if one_class else "sigmoid"
        return keras.layers.Activation(activation, dtype="float32", name="probabilities")(outputs)
    if outputs.dtype != "float32":
        outputs = keras.ops.cast(outputs, "float32")
    if kind is AnswerKind.PROBABILITIES:
        return outputs
    outputs = keras.ops.clip(outputs, _LEAST_PROBABILITY, 1.0)
    return outputs / keras.ops.sum(outputs, axis=-1, keepdims=True) if one_class else outputs


def _answers(model: keras.Model, spec: DataSpec, scale: float) -> list[NDArray[np.float64]]:
    """Returns the finite answers, (images, outputs) each, for several weights and brightnesses."""
    pixels = probe_pixels(spec.image_shape, _PROBES) * scale
    # The last images are far outside the range of pixels, on both sides.
    pixels[_PROBES // 3 : 2 * _PROBES // 3] *= 50
    pixels[2 * _PROBES // 3 :] *= -50
    answers = []
    for spread in _WEIGHT_SPREADS:
        with _random_weights(model, spread):
            outputs = np.asarray(keras.ops.convert_to_numpy(model(pixels, training=False)), np.float64)
        whole = outputs[np.isfinite(outputs).all(axis=1)]
        if len(whole):
            answers.append(whole)
    return answers


@contextlib.contextmanager
def _random_weights(model: keras.Model, spread: float | None) -> Iterator[None]:
    if spread is None:
        yield
        return
    random = np.random.default_rng(0)
    before = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    try:
        for variable in model.trainable_variables:
            variable.assign(random.normal(0, spread, variable.shape).astype(np.float32))
        yield
    finally:
        for variable, value in zip(model.trainable_variables, before, strict=True):
            variable.assign(value)


def _is_regression(loss: Any) -> bool:
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
    return str(name).lower() in _REGRESSION_LOSSES
