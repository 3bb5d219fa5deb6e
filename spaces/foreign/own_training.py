"""Training as a user's own code does it: their compiled model by Keras's `fit`, or the `fit` of their HyperModel.

Keras, not we, then applies their loss, metrics, `train_step` and class weights. We hand in the data as KerasTuner's
`tuner.search(x, y, validation_data=...)` does, and callbacks that score each epoch and may end the training.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner
import numpy as np
from numpy.typing import NDArray

from ...datasets.base import DataSpec
from .pixel_range import probe_pixels

# The metric under which a number that `fit` returns is logged.
RETURNED = "returned"
# Few enough for any loop of the user's to be over in a moment.
_DRY_IMAGES = 4
_CONFLICT = re.compile(r"got multiple values for (?:keyword )?argument '(\w+)'")


class _DryRunEndedError(BaseException):
    """Leaves a `fit` that has declared what it needs; no `except Exception` of the user's is to catch it."""


@dataclass(frozen=True, eq=False)
class UserTraining:
    """One model's own training; an `OwnTraining`."""

    model: keras.Model
    """The user's model, which takes float32 images."""
    scale: float
    """Factor on pixels of 0 to 255 that the model is made for."""
    spec: DataSpec
    """The data set's facts."""
    columns: int
    """Numbers that the model answers with for one image."""
    hypermodel: keras_tuner.HyperModel
    """The user's HyperModel."""
    hp: keras_tuner.HyperParameters
    """The drawn values, which `HyperModel.fit` may ask for."""
    class_numbers: bool | None
    """True to give targets as class numbers, False as one-hot rows, None to try one-hot rows first."""

    @property
    def is_keras_fit(self) -> bool:
        """True where Keras's own `fit` trains, so that a training can go on from any epoch."""
        return not overrides_fit(self.hypermodel)

    @property
    def needs_validation(self) -> bool:
        """True if Keras's `fit` is to evaluate, too, since we do not know the model's loss or metrics as our own."""
        metrics = _compiled_with(self.model).get("metrics") or ()
        plain = isinstance(metrics, list | tuple) and all(metric in ("accuracy", "acc") for metric in metrics)
        loss = compiled_loss(self.model)
        name = loss if isinstance(loss, str) else type(loss).__name__ if _is_of_keras(loss) else "own"
        return not plain or "crossentropy" not in name.lower() or bool(overrides_training(self.model))

    def images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns pixels as the model takes them: float32 of the same shape."""
        images: NDArray[np.float32] = pixels.astype(np.float32) * np.float32(self.scale)
        return images

    def targets(self, targets: NDArray[np.float32], *, class_numbers: bool) -> NDArray[Any]:
        """Returns targets as the model's loss takes them: int32 (n,) or float32 (n, columns).

        A masked label becomes 0, since no loss of Keras's can leave out single labels.

        Args:
            targets: float32 (n, outputs), as a `TrainingView` has them, NaN where masked.
            class_numbers: True for class numbers.
        """
        targets = np.nan_to_num(targets)
        if self.spec.task == "binary" and self.columns == 2:
            targets = np.concatenate([1 - targets, targets], axis=1)
        return targets.argmax(axis=1).astype(np.int32) if class_numbers else targets

    def run(
        self,
        x: Any,
        y: Any,
        validation: tuple[Any, Any],
        *,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> dict[str, float]:
        """Trains by the user's `fit`, and returns the metrics that it returns, by name.

        An argument that `fit` does not take, or passes to Keras itself, is left out; the callbacks join every call
        of the model's own `fit` all the same.

        Args:
            x: Training images, as `images` returns them.
            y: Their targets.
            validation: Validation images and targets.
            epochs: Epochs at most.
            callbacks: Callbacks that score epochs, and may end the training.
        """
        keywords: dict[str, Any] = {
            "validation_data": validation, "epochs": epochs, "callbacks": list(callbacks), "verbose": 0,
        }  # fmt: skip
        keywords = {name: value for name, value in keywords.items() if _takes(self.hypermodel.fit, name)}
        keras_fit = self.model.fit

        def watched_fit(*arguments: Any, **others: Any) -> Any:
            given = others.pop("callbacks", None) or ()
            given = [given] if isinstance(given, keras.callbacks.Callback) else list(given)
            ours = [callback for callback in callbacks if callback not in given]
            return keras_fit(*arguments, **{"verbose": 0, **others, "callbacks": [*given, *ours]})

        with _replaced_fit(self.model, watched_fit):
            while True:
                try:
                    return _metrics(self.hypermodel.fit(self.hp, self.model, x, y, **keywords))
                except TypeError as error:
                    # The user's `fit` hands this argument to Keras itself, so ours must not come along.
                    found = _CONFLICT.search(str(error))
                    if found is None or found.group(1) not in keywords:
                        raise
                    del keywords[found.group(1)]


def overrides_fit(hypermodel: keras_tuner.HyperModel) -> bool:
    """Returns whether a HyperModel trains its models itself."""
    return getattr(type(hypermodel), "fit", None) is not keras_tuner.HyperModel.fit or "fit" in vars(hypermodel)


def overrides_training(model: keras.Model) -> list[str]:
    """Returns the names of Keras's training methods that a model's class replaces, such as `train_step`."""
    methods = ("train_step", "test_step", "compute_loss", "compute_metrics", "fit")
    stock = (keras.Model, keras.Sequential, type(keras.Model(inputs := keras.Input((1,)), inputs)))
    return [
        method for method in methods
        if getattr(type(model), method) not in [getattr(kind, method) for kind in stock]
    ]  # fmt: skip


def declare_in_fit(
    hypermodel: keras_tuner.HyperModel, hp: keras_tuner.HyperParameters, model: keras.Model, spec: DataSpec
) -> None:
    """Calls a HyperModel's `fit` so that it declares its hyperparameters; the model itself is not trained by Keras.

    A loop of the user's own runs over a few made-up images until its first epoch ends. Whatever it raises is ignored:
    the names that it asked for before count, and a `fit` that cannot work is found out when it trains.
    """
    columns = 2 if spec.task == "binary" and model.output_shape[-1:] == (2,) else spec.outputs
    one_hot = np.eye(max(columns, 1), dtype=np.float32)[np.arange(_DRY_IMAGES) % max(columns, 1)]
    x = probe_pixels(spec.image_shape, _DRY_IMAGES) / 255
    end = keras.callbacks.LambdaCallback(on_epoch_end=_end_dry_run)
    for y in (one_hot, one_hot.argmax(axis=1).astype(np.int32)):
        keywords = {"validation_data": (x, y), "epochs": 1, "callbacks": [end], "verbose": 0}
        given = {name: value for name, value in keywords.items() if _takes(hypermodel.fit, name)}
        while True:
            try:
                with _replaced_fit(model, _no_training):
                    hypermodel.fit(hp, model, x, y, **given)
                return
            except _DryRunEndedError:
                return
            except Exception as error:
                found = _CONFLICT.search(str(error))
                if found is None or found.group(1) not in given:
                    break
                del given[found.group(1)]


def wants_class_numbers(model: keras.Model, spec: DataSpec, columns: int, scale: float) -> bool | None:
    """Returns whether a compiled model's loss takes class numbers rather than one-hot rows; None if not compiled.

    A loss that Keras ships tells by its name. One of the user's own is called with both, and one-hot rows are taken
    where it takes them.
    """
    if spec.task == "multilabel" or columns == 1:
        return False
    loss = compiled_loss(model)
    if loss is None:
        return None
    metrics = str(_compiled_with(model).get("metrics")).lower()
    name = loss if isinstance(loss, str) else str(getattr(loss, "name", None) or getattr(loss, "__name__", ""))
    if "sparse" in f"{name} {type(loss).__name__}".lower():
        return True
    if isinstance(loss, str) or _is_of_keras(loss):
        return False
    if "sparsecategorical" in metrics.replace("_", ""):
        return True
    return not _loss_takes_one_hot(loss, model, spec, columns, scale)


def compiled_loss(model: keras.Model) -> Any:
    """Returns the loss that a model was compiled with, as the user gave it, alone or as the only one of a list or dict.

    None without one.
    """
    loss = getattr(model, "loss", None) if model.compiled else None
    if isinstance(loss, Mapping):
        loss = list(loss.values())
    return loss[0] if isinstance(loss, Sequence) and not isinstance(loss, str) and len(loss) == 1 else loss


def _compiled_with(model: keras.Model) -> dict[str, Any]:
    """Returns what a model was compiled with, as Keras describes it; metrics "own" where Keras cannot."""
    if not model.compiled:
        return {}
    with warnings.catch_warnings():
        # Keras warns of a lambda, which could not be loaded; nothing of this is saved.
        warnings.simplefilter("ignore")
        try:
            return model.get_compile_config() or {"metrics": "own"}
        # Objects of the user's that cannot be described raise anything.
        except Exception:
            return {"metrics": "own"}


def _is_of_keras(loss: Any) -> bool:
    kind = loss if inspect.isfunction(loss) else type(loss)
    return str(kind.__module__).startswith("keras.")


def _loss_takes_one_hot(loss: Any, model: keras.Model, spec: DataSpec, columns: int, scale: float) -> bool:
    # A number of images that is no number of classes, so that nothing fits by accident.
    images = columns + 1
    answers = model(probe_pixels(spec.image_shape, images) * scale, training=False)
    one_hot = np.eye(columns, dtype=np.float32)[np.arange(images) % columns]
    try:
        losses = np.asarray(keras.ops.convert_to_numpy(loss(one_hot, answers)))
    # A user's loss may raise anything.
    except Exception:
        return False
    return bool(np.isfinite(losses).all()) and losses.shape in ((), (images,), (images, 1), (images, columns))


def _takes(function: Callable[..., Any], name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _end_dry_run(epoch: int, logs: Any = None) -> None:
    raise _DryRunEndedError


def _no_training(*arguments: Any, **keywords: Any) -> keras.callbacks.History:
    history = keras.callbacks.History()
    history.history = _AnyMetric()
    history.epoch = [0]
    return history


class _AnyMetric(dict[str, list[float]]):
    """A history of one epoch that has every metric."""

    def __missing__(self, name: str) -> list[float]:
        return [0.0]


@contextlib.contextmanager
def _replaced_fit(model: keras.Model, fit: Callable[..., Any]) -> Iterator[None]:
    """Puts another `fit` in place of a model's own for a while."""
    # Past Keras's own __setattr__, which would track it as state of the model.
    object.__setattr__(model, "fit", fit)
    try:
        yield
    finally:
        object.__delattr__(model, "fit")


def _metrics(returned: Any) -> dict[str, float]:
    """Returns the metrics in what a `fit` returned, as KerasTuner reads it: a History, a mapping, or one number."""
    if isinstance(returned, Mapping):
        return {str(name): float(value) for name, value in returned.items() if _is_number(value)}
    return {RETURNED: float(returned)} if _is_number(returned) else {}


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, str | bytes)
