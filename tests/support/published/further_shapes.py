"""Further HyperModels as people publish them: where branches and loops decide which hyperparameters there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import keras_tuner
from keras import layers
from keras_tuner.applications import HyperImageAugment


def _answered(inputs: Any, x: Any, optimizer: Any = "adam") -> keras.Model:
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.Flatten()(x)))
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model


def _dense(hp: Any, x: Any) -> Any:
    x = layers.Flatten()(x)
    return layers.Dense(hp.Int("dense/units", 8, 16, step=8), activation=hp.Choice("dense/activation", ["relu"]))(x)


def _convolutional(hp: Any, x: Any) -> Any:
    for index in range(hp.Int("conv/blocks", 1, 2)):
        x = layers.Conv2D(hp.Choice(f"conv/filters_{index}", [4, 8]), 3, padding="same", activation="relu")(x)
        if hp.Boolean(f"conv/normalized_{index}"):
            x = layers.BatchNormalization(momentum=hp.Float(f"conv/momentum_{index}", 0.5, 0.99))(x)
    return x


def _recurrent(hp: Any, x: Any) -> Any:
    cell = layers.LSTM if hp.Choice("rnn/cell", ["lstm", "gru"]) == "lstm" else layers.GRU
    return cell(hp.Int("rnn/units", 4, 8))(layers.Reshape((8, 8))(x))


ARCHITECTURES: dict[str, Callable[[Any, Any], Any]] = {
    "dense": _dense,
    "convolutional": _convolutional,
    "recurrent": _recurrent,
}


def architectures_in_a_table(hp: Any) -> keras.Model:
    """One function per architecture, chosen from a dictionary, each with parameters of its own."""
    inputs = keras.Input((8, 8, 1))
    return _answered(inputs, ARCHITECTURES[hp.Choice("architecture", list(ARCHITECTURES))](hp, inputs))


def loop_from_zero(hp: Any) -> keras.Model:
    """A loop that may not run at all; what replaces it has a parameter of its own."""
    x = inputs = keras.Input((8, 8, 1))
    blocks = hp.Int("blocks", 0, 2, default=1)
    for index in range(blocks):
        x = layers.Conv2D(hp.Int(f"filters_{index}", 4, 8, step=4), 3, activation="relu")(x)
    if blocks == 0:
        x = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")(layers.Flatten()(x))
    return _answered(inputs, x)


def loops_nested(hp: Any) -> keras.Model:
    """A loop in a loop, with a switch in each turn that brings a rate."""
    x = inputs = keras.Input((8, 8, 1))
    for block in range(hp.Int("blocks", 1, 2)):
        for layer in range(hp.Int(f"layers_{block}", 1, 2)):
            x = layers.Conv2D(hp.Choice(f"filters_{block}_{layer}", [4, 8]), 3, padding="same")(x)
            if hp.Boolean(f"dropout_{block}_{layer}"):
                x = layers.Dropout(hp.Float(f"rate_{block}_{layer}", 0.1, 0.5, step=0.1))(x)
        x = layers.MaxPooling2D()(x)
    return _answered(inputs, x)


def behind_numbers(hp: Any) -> keras.Model:
    """Parameters behind the low end of a number with steps, behind a rate, and behind two flags."""
    inputs = keras.Input((8, 8, 1))
    units = hp.Int("units", 8, 32, step=8, default=16)
    x = layers.Dense(units, activation="relu")(layers.Flatten()(inputs))
    if (rate := hp.Float("rate", 0.0, 0.5)) > 0:
        x = layers.Dropout(rate, seed=hp.Int("dropout_seed", 0, 9))(x)
    if units <= 8:
        x = layers.Dense(hp.Int("second_units", 8, 16, step=8), activation="relu")(x)
    if hp.Boolean("normalized") and hp.Boolean("noisy"):
        x = layers.BatchNormalization(momentum=hp.Float("momentum", 0.5, 0.99))(x)
    return _answered(inputs, x)


def rate_per_optimizer(hp: Any) -> keras.Model:
    """One name under two conditions, with another range in each."""
    inputs = keras.Input((8, 8, 1))
    name = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["adam"]):
        adam_rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        sgd_rate = hp.Float("learning_rate", 1e-2, 1.0, sampling="log")
    optimizer = keras.optimizers.Adam(adam_rate) if name == "adam" else keras.optimizers.SGD(sgd_rate)
    return _answered(inputs, inputs, optimizer)


def tuned_optimizer(hp: Any) -> keras.Model:
    """An optimizer by name, with a schedule or not, whose parameters hang on both by plain `if`."""
    inputs = keras.Input((8, 8, 1))
    name = hp.Choice("optimizer", ["adam", "sgd", "rmsprop"])
    rate: Any = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    if hp.Boolean("decayed"):
        rate = keras.optimizers.schedules.ExponentialDecay(rate, hp.Int("decay_steps", 10, 100, step=10), 0.9)
    if name == "sgd":
        optimizer = keras.optimizers.SGD(rate, hp.Float("momentum", 0.0, 0.9), nesterov=hp.Boolean("nesterov"))
    elif name == "rmsprop":
        optimizer = keras.optimizers.RMSprop(rate, rho=hp.Float("rho", 0.8, 0.99))
    else:
        optimizer = keras.optimizers.Adam(rate)
    return _answered(inputs, inputs, optimizer)


def residual_blocks(hp: Any) -> keras.Model:
    """Residual blocks by hand, with shortcuts, weight decay and a pooling by Choice."""
    x = inputs = keras.Input((8, 8, 1))
    decay = keras.regularizers.L2(hp.Float("decay", 1e-5, 1e-2, sampling="log"))
    for stage in range(hp.Int("stages", 1, 3)):
        filters = hp.Choice(f"filters_{stage}", [4, 8])
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_regularizer=decay)(x)
        x = layers.ReLU()(layers.Add()([layers.Conv2D(filters, 1)(x), layers.BatchNormalization()(y)]))
    pooled = layers.GlobalAveragePooling2D if hp.Choice("pooling", ["avg", "max"]) == "avg" else layers.GlobalMaxPool2D
    return _answered(inputs, pooled()(x))


class Nested(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """Models inside a model."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden

    def build(self, hp: Any) -> keras.Model:
        base = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(hp.Choice("filters", [4, 8]), 3)])
        head = keras.Sequential([layers.Flatten(), layers.Dense(self.hidden, activation="relu")])
        head.add(layers.Dense(10, activation="softmax"))
        model = keras.Sequential([base, head])
        model.compile("adam", "categorical_crossentropy")
        return model


# An instance with its values bound.
nested = Nested(hidden=8)


class Augmented(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """KerasTuner's HyperImageAugment, in its form without RandAugment, before a network."""

    def __init__(self, input_shape: Any, num_classes: int) -> None:
        super().__init__()
        self.input_shape, self.num_classes = input_shape, num_classes
        self.augment = HyperImageAugment(input_shape=input_shape, augment_layers=0, contrast=None)

    def build(self, hp: Any) -> keras.Model:
        inputs = keras.Input(self.input_shape)
        x = layers.Flatten()(self.augment.build(hp)(inputs))
        x = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")(x)
        model = keras.Model(inputs, layers.Dense(self.num_classes, activation="softmax")(x))
        model.compile("adam", "categorical_crossentropy")
        return model


def uncompiled_logits(hp: Any) -> keras.Model:
    """A network that answers with logits and is not compiled."""
    units = hp.Int("units", 8, 16, step=8)
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(units), layers.Dense(10)])


class ClassWeighted(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """`fit` with class weights and a callback of its own, and a parameter that hangs on one of `build`."""

    def build(self, hp: Any) -> keras.Model:
        inputs = keras.Input((8, 8, 1))
        return _answered(inputs, inputs, hp.Choice("optimizer", ["adam", "sgd"]))

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        factor = hp.Float("weight_of_first", 0.5, 2.0)
        stopping = keras.callbacks.EarlyStopping("val_loss", patience=hp.Int("patience", 1, 3))
        if hp.get("optimizer") == "sgd":
            model.optimizer.learning_rate = hp.Float("sgd_rate", 1e-3, 1e-1, sampling="log")
        weights = {index: factor if index == 0 else 1.0 for index in range(10)}
        return model.fit(*args, class_weight=weights, callbacks=[*(callbacks or []), stopping], **kwargs)


def dependent_range(hp: Any) -> keras.Model:
    """A range that another value bounds, of which KerasTuner keeps what it meets first."""
    inputs = keras.Input((8, 8, 1))
    first = hp.Int("first", 8, 32, step=8)
    x = layers.Dense(first, activation="relu")(layers.Flatten()(inputs))
    return _answered(inputs, layers.Dense(hp.Int("second", 4, first, step=4), activation="relu")(x))
