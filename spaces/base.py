"""What a search space is to the rest of Apertune.

Life of a space: `spaces.load(name, spec)` makes a `Space` for one data set; `discover` walks its branches into
a `SearchSpace` (data); for each trial `Space.candidate` turns drawn values into everything that training needs.
The trial knows nothing of recipes, and the space nothing of trials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import keras
    import keras_tuner

    from ..datasets.base import DataSpec
    from .recipes.fine_tuning import FineTuning
    from .recipes.recipe import Recipe


Declaration = Callable[["keras_tuner.HyperParameters"], object]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One configuration, ready to be trained.

    network: takes images uint8 (batch, height, width, channels), 0 to 255, and yields probabilities float32
    (batch, outputs); it holds no augmentation, and is what gets saved, exported and served.
    optimizer: built for this network, with its schedule. loss: (targets, probabilities), both float32
    (batch, outputs), to one loss an example, float32 (batch,), class weights and label smoothing included.
    augmentation: a layer called with (images, targets) in training only; images are float32 or uint8 in
    0 to 255 before and after it, targets may be mixed. callbacks: such as a plateau schedule.
    """

    network: keras.Model
    optimizer: keras.optimizers.Optimizer
    loss: Callable[[Any, Any], Any]
    batch_size: int
    augmentation: keras.layers.Layer | None = None
    callbacks: tuple[keras.callbacks.Callback, ...] = field(default=())


class Architecture(Protocol):
    """One network's settings, drawn but not built."""

    def build(self, spec: DataSpec) -> keras.Model:
        """Takes images uint8 (batch, height, width, channels) and yields probabilities (batch, outputs)."""
        ...

    @property
    def fine_tuning(self) -> FineTuning | None:
        """How a pretrained backbone, the one model nested in the network, is thawed; None for any other."""
        return None


class NetworkSpace(Protocol):
    """Which networks there are. Half of a space; the other half is a `RecipeSpace`."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> Architecture:
        """Declares the network's parameters, all branches' alike, and builds nothing."""
        ...


class RecipeSpace(Protocol):
    """How a network may be trained: optimizer, schedule, batch size, augmentation, loss, class weights."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> Recipe:
        """Declares the recipe's parameters, all branches' alike, and builds nothing."""
        ...


class Space(Protocol):
    """One search space bound to one data set's `DataSpec`."""

    @property
    def name(self) -> str: ...

    @property
    def hypermodel(self) -> keras_tuner.HyperModel:
        """The same space for KerasTuner's own tuners."""
        ...

    def declarations(self) -> Sequence[Declaration]:
        """The parts that declare the space's parameters, such as network and recipe, none reading another's.

        Each declares every parameter that the values it is called with lead to, and keeps no model alive.
        """
        ...

    def without_effect(self, parameters: Sequence[Any]) -> Sequence[Any]:
        """Those of the discovered parameters, keras_tuner's objects, that training would not heed; not searched."""
        ...

    def candidate(self, hp: keras_tuner.HyperParameters, *, epochs: int, seed: int) -> Candidate:
        """Builds the configuration that `hp` holds, declaring its parameters on the way.

        epochs: the trial's budget, which schedules are laid out over. seed: of initial weights, dropout and
        augmentation. Raises whatever the user's own code raises.
        """
        ...
