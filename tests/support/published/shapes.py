"""HyperModels of the shapes that people publish, each small: guides, tutorials, issue threads and examples.

They are written for digits, 8 by 8 grey pixels in 10 classes, unless `TABLE` in `published_models` says otherwise.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import keras_tuner
import tensorflow as tf
from keras import layers, ops

SHAPE = (8, 8, 1)


def _dense(*hidden: Any, last: Any = "softmax", outputs: int = 10) -> keras.Sequential:
    return keras.Sequential([keras.Input(SHAPE), layers.Flatten(), *hidden, layers.Dense(outputs, activation=last)])


# --- KerasTuner's getting-started guide ---------------------------------------------------------------------------


def first_function(hp: Any) -> keras.Model:
    model = keras.Sequential()
    model.add(layers.Flatten())
    model.add(layers.Dense(units=hp.Int("units", min_value=8, max_value=32, step=8), activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def many_kinds(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten()])
    for index in range(hp.Int("num_layers", 1, 3)):
        units = hp.Int(f"units_{index}", min_value=8, max_value=32, step=8)
        model.add(layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh"])))
    if hp.Boolean("dropout"):
        model.add(layers.Dropout(rate=0.25))
    model.add(layers.Dense(10, activation="softmax"))
    rate = hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log")
    model.compile(keras.optimizers.Adam(learning_rate=rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


def called_apart(hp: Any) -> keras.Model:
    return _called_apart(
        units=hp.Int("units", min_value=8, max_value=32, step=8),
        activation=hp.Choice("activation", ["relu", "tanh"]),
        dropout=hp.Boolean("dropout"),
        rate=hp.Float("lr", min_value=1e-4, max_value=1e-2, sampling="log"),
    )


def _called_apart(units: int, activation: str, dropout: bool, rate: float) -> keras.Model:
    hidden = [layers.Dense(units, activation=activation), *([layers.Dropout(0.25)] if dropout else [])]
    model = _dense(*hidden)
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    return model


class TunedFit(keras_tuner.HyperModel):  # type: ignore[misc]
    """Batch size, shuffling and epochs are tuned in `fit`."""

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.Int("units", 8, 32, step=8), activation="relu"))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        batch_size = hp.Choice("batch_size", [16, 32])
        return model.fit(*args, batch_size=batch_size, shuffle=hp.Boolean("shuffle"), **kwargs)


class TunedEpochs(keras_tuner.HyperModel):  # type: ignore[misc]
    """`epochs` is passed to Keras by the user, so that ours must not come along."""

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"))
        model.compile("adam", "categorical_crossentropy")
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, epochs=hp.Int("epochs", 1, 2), **kwargs)


class TunedPreprocessing(keras_tuner.HyperModel):  # type: ignore[misc]
    """The images are normalized in `fit`, if at all."""

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.Int("units", 8, 32, step=8), activation="relu"))
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> Any:
        if hp.Boolean("normalize"):
            x = layers.Normalization(axis=None)(x)
        return model.fit(x, y, shuffle=hp.Boolean("shuffle"), **kwargs)


class OwnLoop(keras_tuner.HyperModel):  # type: ignore[misc]
    """A loop of the user's own, on class numbers, that returns the loss."""

    def build(self, hp: Any) -> keras.Model:
        return _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None)

    def fit(
        self, hp: Any, model: Any, x: Any, y: Any, validation_data: Any, callbacks: Any = None, **kwargs: Any
    ) -> float:
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(hp.Int("batch_size", 32, 64, step=32))
        optimizer = keras.optimizers.Adam(hp.Float("learning_rate", 1e-3, 1e-2, sampling="log"))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        metric = keras.metrics.Mean()
        for callback in callbacks:
            callback.set_model(model)
        best = float("inf")
        for epoch in range(2):
            for images, labels in batches:
                with tf.GradientTape() as tape:
                    value = loss(labels, model(images, training=True))
                gradients = tape.gradient(value, model.trainable_variables)
                optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
                metric.update_state(value)
            epoch_loss = float(metric.result())
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_metric": epoch_loss})
            metric.reset_state()
            best = min(best, epoch_loss)
        return best


class ReturnsMetrics(keras_tuner.HyperModel):  # type: ignore[misc]
    """`fit` returns a dictionary of metrics."""

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"))
        model.compile("adam", "categorical_crossentropy")
        return model

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> dict[str, float]:
        history = model.fit(*args, **kwargs)
        return {"parameters_per_loss": model.count_params() / (1.0 + history.history["loss"][-1])}


class TwoPhases(keras_tuner.HyperModel):  # type: ignore[misc]
    """`fit` calls Keras twice, with a callback of its own and another rate in the second phase."""

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"))
        model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", metrics=["accuracy"])
        return model

    def fit(self, hp: Any, model: Any, x: Any, y: Any, **kwargs: Any) -> Any:
        patience = keras.callbacks.EarlyStopping(monitor="loss", patience=3)
        kwargs.pop("epochs", None)
        callbacks = [patience, *kwargs.pop("callbacks", ())]
        model.fit(x, y, epochs=1, callbacks=callbacks, **kwargs)
        model.optimizer.learning_rate = hp.Choice("second_rate", [1e-4, 1e-5])
        return model.fit(x, y, epochs=1, callbacks=callbacks, **kwargs)


# --- spaces -------------------------------------------------------------------------------------------------------


def several_architectures(hp: Any) -> keras.Model:
    inputs = keras.Input(shape=SHAPE)
    x = inputs
    if hp.Choice("model_type", ["mlp", "cnn"]) == "mlp":
        x = layers.Flatten()(x)
        for index in range(hp.Int("mlp_layers", 1, 3)):
            x = layers.Dense(hp.Int(f"units_{index}", 8, 16, step=8), activation="relu")(x)
    else:
        for index in range(hp.Int("cnn_layers", 1, 3)):
            x = layers.Conv2D(hp.Int(f"filters_{index}", 4, 8, step=4), 3, activation="relu", padding="same")(x)
            x = layers.MaxPooling2D(2)(x)
        x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"], optimizer="adam")
    return model


def conditional_scopes(hp: Any) -> keras.Model:
    kind = hp.Choice("optimizer", ["adam", "sgd"])
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.0, 0.9) if kind == "sgd" else 0.0
    model = _dense(layers.Dense(hp.Int("units", 8, 16), activation="relu"))
    optimizer = keras.optimizers.SGD(rate, momentum) if kind == "sgd" else keras.optimizers.Adam(rate)
    model.compile(optimizer, "categorical_crossentropy")
    return model


def parent_names(hp: Any) -> keras.Model:
    norm = hp.Choice("norm", ["none", "batch"])
    momentum = hp.Float("momentum", 0.5, 0.9, parent_name="norm", parent_values=["batch"])
    hidden: list[Any] = [layers.Dense(8, activation="relu")]
    if norm == "batch":
        hidden.append(layers.BatchNormalization(momentum=momentum))
    model = _dense(*hidden)
    model.compile("adam", "categorical_crossentropy")
    return model


def scoped_names(hp: Any) -> keras.Model:
    with hp.name_scope("head"):
        units = hp.Int("units", 8, 16)
        with hp.name_scope("inner"):
            rate = hp.Float("rate", 0.0, 0.5, step=0.25)
    model = _dense(layers.Dense(units, activation="relu"), layers.Dropout(rate))
    model.compile("adam", "categorical_crossentropy")
    return model


def gets_by_name(hp: Any) -> keras.Model:
    hp.Int("units", 8, 16)
    hp.Fixed("rate", 0.002)
    model = _dense(layers.Dense(hp.get("units"), activation="relu"))
    model.compile(keras.optimizers.Adam(hp.get("rate")), "categorical_crossentropy")
    return model


def all_samplings(hp: Any) -> keras.Model:
    units = hp.Int("units", 8, 32, step=2, sampling="log")
    drop = hp.Float("drop", 0.1, 0.9, sampling="reverse_log")
    smooth = hp.Float("smooth", 0.01, 0.32, step=2, sampling="reverse_log")
    model = _dense(layers.Dense(units, activation="relu"), layers.Dropout(drop))
    model.compile("adam", keras.losses.CategoricalCrossentropy(label_smoothing=smooth))
    return model


def default_off_grid(hp: Any) -> keras.Model:
    units = hp.Int("units", min_value=16, max_value=96, step=32, default=64)
    model = _dense(layers.Dense(units, activation=hp.Choice("activation", ["relu", "tanh"])))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def behind_a_float(hp: Any) -> keras.Model:
    hidden: list[Any] = [layers.Dense(8, activation="relu")]
    if (rate := hp.Float("rate", 0.0, 0.5, step=0.1)) > 0:
        hidden.append(layers.Dropout(rate) if hp.Boolean("plain") else layers.GaussianDropout(rate))
    model = _dense(*hidden)
    model.compile("adam", "categorical_crossentropy")
    return model


def odd_names(hp: Any) -> keras.Model:
    rate = hp.Float("learning rate (log) [Adam] =", 1e-4, 1e-2, sampling="log")
    activation = hp.Choice("активация 🔥", ["relu", "tanh"])
    units = hp.Int("u" * 300, 8, 16, step=8)
    hp.Choice("configuration", ["[1]" * 3000, "[2]" * 3000])
    model = _dense(layers.Dense(units, activation=activation))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


class Declared(keras_tuner.HyperModel):  # type: ignore[misc]
    """Hyperparameters are declared apart, and read by name in `build`."""

    def declare_hyperparameters(self, hp: Any) -> None:
        hp.Int("units", 8, 16, step=8)
        hp.Choice("activation", ["relu", "tanh"])

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.get("units"), activation=hp.get("activation")))
        model.compile("adam", "categorical_crossentropy")
        return model


# --- losses, answers and metrics ----------------------------------------------------------------------------------


def smoothed(targets: Any, logits: Any) -> Any:
    return keras.losses.categorical_crossentropy(targets, logits, from_logits=True, label_smoothing=0.1)


class Smoothed(keras.losses.Loss):  # type: ignore[misc]
    """A loss on logits, as a class."""

    def call(self, targets: Any, logits: Any) -> Any:
        return smoothed(targets, logits)


def loss_function_on_logits(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None)
    model.compile("adam", smoothed)
    return model


def loss_class_on_logits(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None)
    model.compile("adam", Smoothed())
    return model


def partial_loss_on_logits(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None)
    loss = functools.partial(keras.losses.sparse_categorical_crossentropy, from_logits=True)
    loss.__name__ = "sparse_on_logits"  # type: ignore[attr-defined]
    model.compile("adam", loss)
    return model


def logits_by_addition(hp: Any) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = layers.Flatten()(inputs)
    wide = layers.Dense(10)(x)
    deep = layers.Dense(10)(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")(x))
    model = keras.Model(inputs, layers.Add()([wide, deep]))
    model.compile("adam", keras.losses.CategoricalCrossentropy(from_logits=True))
    return model


def regression(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None)
    model.compile("adam", "mse")
    return model


def mean_answer(targets: Any, answers: Any) -> Any:
    return ops.mean(ops.cast(answers > 0.5, "float32"))


class Certainty(keras.metrics.Metric):  # type: ignore[misc]
    """The mean of the largest probabilities."""

    def __init__(self, name: str = "certainty") -> None:
        super().__init__(name=name)
        self.total = self.add_weight(initializer="zeros", name="total")
        self.count = self.add_weight(initializer="zeros", name="count")

    def update_state(self, targets: Any, answers: Any, sample_weight: Any = None) -> None:
        self.total.assign_add(ops.sum(ops.max(answers, axis=-1)))
        self.count.assign_add(ops.cast(ops.shape(answers)[0], "float32"))

    def result(self) -> Any:
        return self.total / self.count


def own_metrics(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"))
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy", mean_answer, Certainty()])
    return model


# --- layers and models of one's own -------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("published")
class Shift(keras.layers.Layer):  # type: ignore[misc]
    """A registered layer."""

    def __init__(self, bias: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bias = bias

    def call(self, inputs: Any) -> Any:
        return inputs + self.bias

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bias": self.bias}


class Scale(keras.layers.Layer):  # type: ignore[misc]
    """A layer that is not registered, and scales pixels."""

    def call(self, inputs: Any) -> Any:
        return inputs / 255.0


def registered_layer(hp: Any) -> keras.Model:
    parts = [
        keras.Input(SHAPE),
        Shift(hp.Float("bias", 0, 1)),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(parts)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def unregistered_layer(hp: Any) -> keras.Model:
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")
    parts = [keras.Input(SHAPE), Scale(), layers.Flatten(), hidden, layers.Dense(10, activation="softmax")]
    model = keras.Sequential(parts)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def lambda_layer(hp: Any) -> keras.Model:
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")
    parts = [keras.Input(SHAPE), layers.Lambda(lambda x: x / 255), layers.Flatten(), hidden]
    model = keras.Sequential([*parts, layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class TrainStep(keras.Model):  # type: ignore[misc]
    """A model whose training step is its own."""

    def train_step(self, data: Any) -> Any:
        logs = super().train_step(data)
        return {**logs, "own_step": 1.0}


def own_train_step(hp: Any) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")(layers.Flatten()(inputs))
    model = TrainStep(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Subclassed(keras.Model):  # type: ignore[misc]
    """A subclassed model with plain arguments; the layer of its answer is not its last attribute."""

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.flatten = layers.Flatten()
        self.answer = layers.Dense(10)
        self.hidden = layers.Dense(units, activation="relu")

    def call(self, inputs: Any) -> Any:
        return self.answer(self.hidden(self.flatten(inputs)))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


class Unsaveable(keras.Model):  # type: ignore[misc]
    """A subclassed model that is made of a layer, and does not say how to make it again."""

    def __init__(self, hidden: Any) -> None:
        super().__init__()
        self.hidden = hidden
        self.flatten, self.answer = layers.Flatten(), layers.Dense(10, activation="softmax")

    def call(self, inputs: Any) -> Any:
        return self.answer(self.hidden(self.flatten(inputs)))


def subclassed(hp: Any) -> keras.Model:
    model = Subclassed(hp.Int("units", 8, 16, step=8))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def unsaveable(hp: Any) -> keras.Model:
    model = Unsaveable(keras.Sequential([layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")]).call)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


class AsksInCall(keras.Model):  # type: ignore[misc]
    """A model that asks for a hyperparameter when it is called."""

    def __init__(self, hp: Any) -> None:
        super().__init__()
        self._drawn = [hp]
        self.flatten, self.answer = layers.Flatten(), layers.Dense(10, activation="softmax")

    def call(self, inputs: Any) -> Any:
        return self.answer(self.flatten(inputs) * self._drawn[0].Float("factor", 0.5, 1.5, default=1.0))


def asks_in_call(hp: Any) -> keras.Model:
    model = AsksInCall(hp)
    model.compile("adam", "categorical_crossentropy")
    return model


# --- pixels -------------------------------------------------------------------------------------------------------


def divided(hp: Any) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = layers.Flatten()(inputs / 255.0)
    x = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def preprocessed(hp: Any) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = keras.applications.mobilenet_v2.preprocess_input(layers.Concatenate()([inputs, inputs, inputs]))
    x = layers.Conv2D(hp.Choice("filters", [4, 8]), 3, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def means_subtracted(hp: Any) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = keras.applications.resnet50.preprocess_input(layers.Concatenate()([inputs, inputs, inputs]))
    x = layers.Conv2D(hp.Choice("filters", [4, 8]), 3, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def normalized_inside(hp: Any) -> keras.Model:
    parts = [keras.Input(SHAPE), layers.Normalization(mean=127.5, variance=5000.0), layers.Flatten()]
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")
    model = keras.Sequential([*parts, hidden, layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def augmentation_inside(hp: Any) -> keras.Model:
    parts = [keras.Input(SHAPE), layers.RandomFlip("horizontal"), layers.RandomRotation(hp.Float("turn", 0, 0.2))]
    parts += [layers.RandomContrast(0.2), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, activation="relu")]
    parts += [layers.GaussianNoise(0.1), layers.Flatten(), layers.Dense(10, activation="softmax")]
    model = keras.Sequential(parts)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def application(hp: Any) -> keras.Model:
    base = keras.applications.MobileNetV2(input_shape=(32, 32, 3), weights=None, include_top=False, alpha=0.35)
    inputs = keras.Input((32, 32, 3))
    x = base(keras.applications.mobilenet_v2.preprocess_input(inputs))
    x = layers.Dropout(hp.Float("dropout", 0.0, 0.5))(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


# --- other tasks --------------------------------------------------------------------------------------------------


class TwoClasses(keras_tuner.HyperModel):  # type: ignore[misc]
    """KerasTuner's own way: a softmax over as many outputs as there are classes, two here."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def build(self, hp: Any) -> keras.Model:
        model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), outputs=self.num_classes)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model


def one_sigmoid(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last="sigmoid", outputs=1)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def one_logit(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None, outputs=1)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def two_labels_as_logits(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), last=None, outputs=2)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


# --- refused ------------------------------------------------------------------------------------------------------


def softmax_of_one(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu"), outputs=1)
    model.compile("adam", "binary_crossentropy")
    return model


def two_inputs(hp: Any) -> keras.Model:
    first, second = keras.Input(SHAPE), keras.Input((2,))
    x = layers.Concatenate()([layers.Flatten()(first), second])
    model = keras.Model([first, second], layers.Dense(10, activation="softmax")(x))
    model.compile("adam", "categorical_crossentropy")
    return model


def two_outputs(hp: Any) -> keras.Model:
    inputs = keras.Input(SHAPE)
    x = layers.Flatten()(inputs)
    model = keras.Model(inputs, [layers.Dense(10, activation="softmax")(x), layers.Dense(1)(x)])
    model.compile("adam", ["categorical_crossentropy", "mse"])
    return model


def wrong_width(hp: Any) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 16, step=8)), outputs=7)
    model.compile("adam", "categorical_crossentropy")
    return model


def wrong_images(hp: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    return model


class NoBuild(keras_tuner.HyperModel):  # type: ignore[misc]
    """A HyperModel that only trains."""

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, **kwargs)


class NeedsArguments(keras_tuner.HyperModel):  # type: ignore[misc]
    """A HyperModel whose arguments nobody gives."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()

    def build(self, hp: Any) -> keras.Model:
        return _dense()


def undeclared(hp: Any) -> keras.Model:
    return _dense(layers.Dense(hp.get("units")))


def objective(trial: Any) -> float:
    model = _dense(layers.Dense(trial.suggest_int("units", 8, 16)))
    return float(model.count_params())


def too_large_value(hp: Any) -> keras.Model:
    return _too_large(hp, ValueError)


def too_large_failed(hp: Any) -> keras.Model:
    return _too_large(hp, keras_tuner.errors.FailedTrialError)


def too_large_fatal(hp: Any) -> keras.Model:
    return _too_large(hp, keras_tuner.errors.FatalError)


def _too_large(hp: Any, error: type[Exception]) -> keras.Model:
    model = _dense(layers.Dense(hp.Int("units", 8, 32, step=8)))
    model.compile("adam", "categorical_crossentropy")
    if model.count_params() > 1500:
        raise error(f"Model too large: {model.count_params()} parameters")
    return model
