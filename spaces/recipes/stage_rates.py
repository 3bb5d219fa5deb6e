"""Learning rates that fall from stage to stage of a backbone, from the head down.

Source: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018, section 3.2, which
calls it discriminative fine-tuning and divides the rate by 2.6 per layer. A stage is a run of layers that work at one
resolution, as in the articles on the backbones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras


def stages(backbone: keras.Model) -> list[list[keras.layers.Layer]]:
    """Returns the layers of a backbone in stages, the first one first; each works at a lower resolution."""
    sizes = [_places(layer) for layer in backbone.layers]
    # Squeeze-and-excitation works on means, at one place, and then goes back to the resolution of its stage.
    resolutions = [max(sizes[index:]) for index in range(len(sizes))]
    found: dict[int, list[keras.layers.Layer]] = {}
    for layer, resolution in zip(backbone.layers, resolutions, strict=True):
        found.setdefault(resolution, []).append(layer)
    return list(found.values())


def stage_factors(backbone: keras.Model, factor: float) -> dict[int, float]:
    """Returns the factor on the learning rate of each of a backbone's variables, by the variable's `id`.

    Args:
        backbone: The backbone.
        factor: The factor from one stage to the one below it; the last stage has it once, since the head is above it.
    """
    in_order = stages(backbone)
    return {
        id(variable): factor ** (len(in_order) - place)
        for place, layers in enumerate(in_order)
        for layer in layers
        for variable in layer.trainable_variables
    }


def use_factors(optimizer: keras.optimizers.Optimizer, factors: Mapping[int, float]) -> None:
    """Makes an optimizer update variables at a share of its rate, weight decay included.

    A factor on the gradients would not do: Adam and its kind divide by their size. All backends of Keras update by the
    two functions that are replaced here; the optimizer's own variables stay as they are, and so do its checkpoints.

    Args:
        optimizer: The optimizer.
        factors: Factors by the variables' `id`; all others are updated at the whole rate.
    """
    update, decay = optimizer._backend_update_step, optimizer._apply_weight_decay

    def grouped(variables: list[Any]) -> dict[float, list[int]]:
        groups: dict[float, list[int]] = {}
        for place, variable in enumerate(variables):
            groups.setdefault(factors.get(id(variable), 1.0), []).append(place)
        return groups

    def update_by_group(gradients: Any, variables: Any, learning_rate: Any) -> None:
        gradients, variables = list(gradients), list(variables)
        for factor, places in grouped(variables).items():
            rate = learning_rate * factor if factor != 1.0 else learning_rate
            update([gradients[place] for place in places], [variables[place] for place in places], rate)

    def decay_by_group(variables: Any) -> None:
        whole = optimizer.weight_decay
        if whole is None:
            return
        variables = list(variables)
        try:
            for factor, places in grouped(variables).items():
                optimizer.weight_decay = whole * factor
                decay([variables[place] for place in places])
        finally:
            optimizer.weight_decay = whole

    optimizer._backend_update_step = update_by_group
    optimizer._apply_weight_decay = decay_by_group


def _places(layer: keras.layers.Layer) -> int:
    """Returns the places of a layer's output, rows times columns; 0 where it has none."""
    shape = tuple(getattr(layer.output, "shape", ()))
    return math.prod(size or 1 for size in shape[1:3]) if len(shape) == 4 else 0
