"""Training in two phases: first the head on a frozen backbone, then part of the backbone too, at a lower rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from ..base import FineTuning
from .stage_rates import stage_factors, use_factors

Tensors = list[Any]


@keras.saving.register_keras_serializable(package="apertune")
class LoweredRate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras ships no types
    """A schedule that follows another and multiplies its rate by a factor from a certain step on."""

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, step: int, factor: float) -> None:
        super().__init__()
        self._schedule, self._step, self._factor = schedule, step, factor

    def __call__(self, step: Any) -> Any:
        rate = self._schedule(step)
        return ops.where(ops.cast(step, "float32") < float(self._step), rate, rate * self._factor)

    def get_config(self) -> dict[str, Any]:
        schedule = keras.optimizers.schedules.serialize(self._schedule)
        return {"schedule": schedule, "step": self._step, "factor": self._factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LoweredRate:
        return cls(**{**config, "schedule": keras.optimizers.schedules.deserialize(config["schedule"])})


class Unfreezing(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Starts the second phase; call `prepared` first, which builds the optimizer for the backbone's variables."""

    def __init__(self, backbone: keras.Model, settings: FineTuning, *, epochs: int) -> None:
        super().__init__()
        self._backbone, self._settings = backbone, settings
        self._first_epoch = settings.first_epoch(epochs)
        self.first_phase_epochs = self._first_epoch
        """Epochs before the second phase, over which patience is not counted."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if epoch < self._first_epoch or self._backbone.trainable:
            return
        layers = self._backbone.layers
        first = len(layers) - max(1, round(self._settings.depth * len(layers)))
        self._backbone.trainable = True
        for index, layer in enumerate(layers):
            # Its statistics are those of the images that the backbone was pretrained on.
            is_normalization = isinstance(layer, keras.layers.BatchNormalization)
            layer.trainable = index >= first and not is_normalization
        # Lowered once only: a constant rate is a variable, which a checkpoint of this phase restores as lowered.
        rate = self.model.optimizer.learning_rate
        scheduled = isinstance(
            getattr(self.model.optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
        )
        if epoch == self._first_epoch and not scheduled:
            self.model.optimizer.learning_rate = float(ops.convert_to_numpy(rate)) * self._settings.rate_factor
        # The compiled step holds the old list of trainable variables.
        self.model.make_train_function(force=True)


def prepared(network: keras.Model, optimizer: keras.optimizers.Optimizer, *, stage_factor: float = 1.0) -> keras.Model:
    """Freezes the network's backbone, which is its one nested model, and returns it.

    The optimizer is built for all variables first, since it cannot train others later.

    Args:
        network: The network.
        optimizer: Its optimizer, not built.
        stage_factor: Factor on the learning rate from one stage of the backbone to the one below it.
    """
    (backbone,) = (layer for layer in network.layers if isinstance(layer, keras.Model))
    backbone.trainable = True
    variables = network.trainable_variables
    optimizer.build(variables)
    if stage_factor != 1.0:
        use_factors(optimizer, stage_factors(backbone, stage_factor))
    backbone.trainable = False
    finalize = optimizer.finalize_variable_values
    # Keras gives it the variables that are trained at the end, and refuses those if it averages more.
    optimizer.finalize_variable_values = lambda trained: finalize(variables)
    if keras.backend.backend() == "jax":
        optimizer.stateless_apply = _application_to_part(network, optimizer)
    return backbone


def _application_to_part(network: keras.Model, optimizer: keras.optimizers.Optimizer) -> Callable[..., Any]:
    """Returns a `stateless_apply`, which JAX's training step calls, that trains only part of the optimizer's variables.

    Keras's own refuses that, although `apply`, which the other backends call, does not.
    """

    def stateless_apply(optimizer_variables: Tensors, gradients: Tensors, trainable_variables: Tensors) -> Any:
        trained, own = network.trainable_variables, optimizer.variables
        given = [*zip(trained, trainable_variables, strict=True), *zip(own, optimizer_variables, strict=True)]
        with keras.StatelessScope(state_mapping=given) as scope:
            optimizer.apply(gradients, trained)
        return [scope.get_current_value(each) for each in trained], [scope.get_current_value(each) for each in own]

    return stateless_apply
