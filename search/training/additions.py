"""Callbacks, metrics and an augmentation of the user's own, which each trial gets fresh. Used in workers only."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels, Task
from ...errors import SettingError, SpaceError
from ...spaces.foreign.sent import receive, sent_object
from ..evaluation.decisions import Probabilities
from ..evaluation.metrics import resolve_objective

if TYPE_CHECKING:
    from ...spaces.base import Candidate
    from ..messages import SpaceReference

# Takes labels and probabilities in the forms of `search.evaluation`, and returns a number.
MetricFunction = Callable[[Labels, Probabilities], float]


@dataclass(frozen=True)
class Additions:
    """Parts of training that the user brings beside the space."""

    callbacks: tuple[Any, ...] = ()
    """Keras callbacks, or functions and classes that make one."""
    metrics: tuple[Any, ...] = ()
    """Functions of labels and probabilities, Keras metrics, or names such as "kappa"."""
    augmentation: Any = None
    """A Keras layer that changes training images, float32 from 0 to 255."""


def metric_name(metric: Any) -> str:
    """Returns the name under which a metric is logged."""
    if isinstance(metric, str):
        return metric
    return str(getattr(metric, "__name__", None) or getattr(metric, "name", None) or type(metric).__name__)


def receive_sent(space: SpaceReference) -> None:
    """Takes what a task brings along of the user's: the space, and what is added to it."""
    receive(space.name, space.pickled)
    if space.additions:
        receive(space.additions, space.pickled_additions)


def additions_of(space: SpaceReference) -> Additions:
    """Returns a fresh copy of what is added to a space, with fresh callbacks, metrics and layers."""
    if not space.additions:
        return Additions()
    made: Additions = sent_object(space.additions, fresh=True)
    return made


def with_additions(candidate: Candidate, space: SpaceReference) -> Candidate:
    """Returns a candidate with the user's callbacks and augmentation.

    Raises:
        SpaceError: A callback is none, or the user's own code trains and leaves no place for an augmentation.
    """
    added = additions_of(space)
    if added.callbacks:
        callbacks = tuple(_callback(one) for one in added.callbacks)
        candidate = replace(candidate, callbacks=(*candidate.callbacks, *callbacks))
    if added.augmentation is not None:
        if candidate.own_training is not None:
            raise SpaceError(
                "augmentation needs a space that ships or --recipe standard, since a model of your own is trained by "
                "its own code; put the layer into the model"
            )
        from .own_augmentation import OwnAugmentation

        layer = OwnAugmentation(added.augmentation, candidate.augmentation)
        candidate = replace(candidate, augmentation=layer)
    return candidate


def added_scores(
    added: Additions, task: Task, labels: Labels, targets: NDArray[np.float32], probabilities: Probabilities
) -> dict[str, float]:
    """Returns the user's own metrics by name.

    Args:
        added: What the user brought.
        task: The data set's task.
        labels: Labels of the rows.
        targets: The same as float32 (rows, outputs), for Keras metrics.
        probabilities: The network's answers, float32 (rows, outputs).

    Raises:
        SpaceError: A metric fails, or returns no number.
    """
    return {metric_name(one): _score(one, task, labels, targets, probabilities) for one in added.metrics}


def check_metrics(metrics: tuple[Any, ...], task: Task, labels: Labels, probabilities: Probabilities) -> None:
    """Computes each metric once, of made-up probabilities, so that one that fails is refused before any training.

    Raises:
        SettingError: It has no name of its own, is of another kind, or fails.
    """
    names = [metric_name(one) for one in metrics]
    if len(set(names)) < len(names):
        raise SettingError(f"metrics must have different names, but got {', '.join(names)}")
    for one in metrics:
        if not (isinstance(one, str) or callable(one) or hasattr(one, "update_state")):
            raise SettingError(
                f"metrics must be functions of labels and probabilities, Keras metrics or names, but got {one!r:.60}"
            )
        if hasattr(one, "update_state") or inspect.isclass(one):
            continue
        try:
            _score(one, task, labels, np.zeros((0, 0), np.float32), probabilities)
        except SpaceError as error:
            raise SettingError(error.message) from None


def _score(
    metric: Any, task: Task, labels: Labels, targets: NDArray[np.float32], probabilities: Probabilities
) -> float:
    if isinstance(metric, str):
        return resolve_objective(metric, task).score(labels, probabilities)
    name = metric_name(metric)
    try:
        if inspect.isclass(metric):
            metric = metric()
        value = _by_keras(metric, targets, probabilities) if hasattr(metric, "update_state") else metric(
            labels, probabilities
        )  # fmt: skip
        number = float(value)
    # The user's function may raise anything.
    except Exception as error:
        from ...text import named_line

        raise SpaceError(f"the metric {name} fails: {named_line(error)}") from error
    return number if math.isfinite(number) else math.nan


def _by_keras(metric: Any, targets: NDArray[np.float32], probabilities: Probabilities) -> Any:
    metric.reset_state()
    metric.update_state(np.nan_to_num(targets), probabilities)
    return np.asarray(metric.result())


def _callback(one: Any) -> Any:
    import keras

    made = one if isinstance(one, keras.callbacks.Callback) else one()
    if not isinstance(made, keras.callbacks.Callback):
        raise SpaceError(f"callbacks must be Keras callbacks or make one, but got {type(made).__name__}")
    return made


def check_callbacks(callbacks: tuple[Any, ...]) -> None:
    """Refuses what can be no Keras callback.

    Raises:
        SettingError: One is neither a callback nor something that makes one.
    """
    for one in callbacks:
        if not (callable(one) or hasattr(one, "on_epoch_end")):
            raise SettingError(f"callbacks must be Keras callbacks, or functions that make one, but got {one!r:.60}")
