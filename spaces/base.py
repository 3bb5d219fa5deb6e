"""The contracts of a search space, and the candidate that it hands to training.

Life of a space: `spaces.load(name, spec)` binds a `Space` to one data set, `discover` walks all its branches and turns
it into a `SearchSpace`, which is data, and for each trial `Space.candidate` turns the drawn values into everything
that training needs. Training knows nothing of recipes, and a space nothing of trials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras
    import keras_tuner
    import numpy as np
    from numpy.typing import NDArray

    from ..datasets.base import DataSpec


OBJECTIVE_LOG = "objective_to_minimize"
"""The name of the search's objective in the logs that callbacks get after an epoch, turned so that lower is better."""

Declaration = Callable[["keras_tuner.HyperParameters"], object]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One configuration, ready to be trained."""

    network: keras.Model
    """Maps images uint8 (batch, height, width, channels), 0 to 255, to probabilities float32 (batch, outputs).

    It holds no augmentation and is saved, exported and served as it is.
    """
    optimizer: keras.optimizers.Optimizer
    """Built for this network, with its schedule."""
    loss: Callable[[Any, Any], Any] | None
    """Maps (targets, probabilities), both float32 (batch, outputs), to one loss per example, float32 (batch,).

    Class weights and label smoothing are included. None where `own_training` trains.
    """
    batch_size: int
    """Images per training step."""
    augmentation: keras.layers.Layer | None = None
    """Called with (images, targets) in training only; may blend the targets.

    Images are uint8 or float32, 0 to 255, before and after it.
    """
    callbacks: tuple[keras.callbacks.Callback, ...] = ()
    """Callbacks that the recipe needs, such as that of a plateau schedule."""
    views: Callable[[Any], Sequence[Any]] | None = None
    """Maps a batch of images to its views, such as mirror images, each of the batch's shape and type.

    The answer, on validation and of the saved model, is the mean of the network's answers to them; None for its answer
    to the images as they are.
    """
    own_training: OwnTraining | None = None
    """The way in which the user's own code trains the network; None to train it by the other fields."""
    notes: tuple[str, ...] = ()
    """Lines for the user on how the network was read, told once per study."""


@dataclass(frozen=True, eq=False)
class Outline:
    """The network of one configuration, to tell its costs from."""

    network: keras.Model
    """As that of a candidate; its weights may have no values."""
    views: Callable[[Any], Sequence[Any]] | None = None
    """As those of a candidate."""


class OwnTraining(Protocol):
    """A training that the user's own code does, on a model that shares its weights with the candidate's network."""

    @property
    def model(self) -> keras.Model:
        """The user's model; compiled, unless their code compiles or trains it in another way."""
        ...

    @property
    def is_keras_fit(self) -> bool:
        """True where `model.fit` trains; False where `run` must be called."""
        ...

    @property
    def class_numbers(self) -> bool | None:
        """True to give targets as class numbers, False as one-hot rows, None to try one-hot rows first."""
        ...

    @property
    def needs_validation(self) -> bool:
        """True if `model.fit` is to evaluate, too, since the model has a loss or metrics of the user's own."""
        ...

    def images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Returns pixels as the model takes them, float32 of the same shape."""
        ...

    def targets(self, targets: NDArray[np.float32], *, class_numbers: bool) -> NDArray[Any]:
        """Returns targets, float32 (n, outputs), as the model's loss takes them."""
        ...

    def run(
        self,
        x: Any,
        y: Any,
        validation: tuple[Any, Any],
        *,
        epochs: int,
        callbacks: Sequence[keras.callbacks.Callback],
    ) -> dict[str, float]:
        """Trains by the user's code, and returns the metrics that it returns, by name.

        Args:
            x: Training images, as `images` returns them.
            y: Their targets.
            validation: Validation images and targets.
            epochs: Epochs at most.
            callbacks: Callbacks that score epochs, and may end the training.
        """
        ...


@dataclass(frozen=True)
class FineTuning:
    """The two phases of training a pretrained backbone: frozen at first, then tuned in part at a lower rate."""

    frozen_share: float
    """Share of the epochs in which the whole backbone is frozen."""
    depth: float
    """Share of the backbone's layers, counted from its end, that are tuned afterwards."""
    rate_factor: float
    """Factor on the learning rate in the second phase."""
    stage_factor: float = 1.0
    """Factor on the learning rate from one stage of the backbone to the one below it; 1 for the same rate in all."""

    def first_epoch(self, epochs: int) -> int:
        """Returns the first epoch of the second phase, counted from 0; at least one epoch comes before it."""
        return max(1, round(self.frozen_share * epochs))


class Architecture(Protocol):
    """The settings of one network, drawn but not built."""

    def build(self, spec: DataSpec) -> keras.Model:
        """Builds the network: images uint8 (batch, height, width, channels) in, probabilities (batch, outputs) out."""
        ...

    def without_weights(self) -> Architecture:
        """Returns the same network for its shapes alone: building it reads no file."""
        return self

    @property
    def fine_tuning(self) -> FineTuning | None:
        """The phases in which the one model nested in the network is trained; None for a network without phases."""
        return None


class Recipe(Protocol):
    """The settings of one training, drawn but not applied to a network."""

    @property
    def views(self) -> Callable[[Any], Sequence[Any]] | None:
        """As those of a candidate."""
        return None

    def candidate(
        self, network: keras.Model, spec: DataSpec, *, epochs: int, seed: int, fine_tuning: FineTuning | None = None
    ) -> Candidate:
        """Makes a candidate of a network by adding everything else that training needs.

        Args:
            network: The built network.
            spec: The data set's facts.
            epochs: The trial's budget, over which the schedule is laid out.
            seed: The seed of the augmentation.
            fine_tuning: The phases that the network asks for, if any.
        """
        ...


class NetworkSpace(Protocol):
    """A range of networks: one half of a space, whose other half is a `RecipeSpace`."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> Architecture:
        """Declares the network's parameters, those of all branches, and builds nothing."""
        ...


class RecipeSpace(Protocol):
    """A range of ways to train a network: optimizer, schedule, batch size, augmentation, loss, class weights."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> Recipe:
        """Declares the recipe's parameters, those of all branches, and builds nothing."""
        ...


class Space(Protocol):
    """A search space bound to one data set's `DataSpec`."""

    @property
    def name(self) -> str: ...

    @property
    def hypermodel(self) -> keras_tuner.HyperModel:
        """The same space for KerasTuner's own tuners."""
        ...

    @property
    def declares_all(self) -> bool:
        """True if each declaration names, at every call, the conditions of all its parameters.

        Others, which hide parameters behind plain Python branches, are explored with many values.
        """
        ...

    def declarations(self) -> Sequence[Declaration]:
        """Returns the functions that declare the space's parameters, such as network and recipe.

        No function reads another's parameters. Each declares every parameter that is active under the values it is
        called with, and keeps no model alive.
        """
        ...

    def without_effect(self, parameters: Sequence[Any]) -> Sequence[Any]:
        """Returns the discovered parameters (KerasTuner objects) that training ignores; they are left out."""
        ...

    def candidate(self, hp: keras_tuner.HyperParameters, *, epochs: int, seed: int) -> Candidate:
        """Builds the configuration that `hp` holds, and declares its parameters on the way.

        Args:
            hp: The drawn values.
            epochs: The trial's budget, over which schedules are laid out.
            seed: The seed of initial weights, dropout and augmentation.

        Raises:
            Exception: Whatever the user's own code raises.
        """
        ...

    def outline(self, hp: keras_tuner.HyperParameters) -> Outline:
        """Builds the network that `hp` holds as fast as can be, for its costs alone.

        Raises:
            Exception: Whatever the user's own code raises.
        """
        ...
