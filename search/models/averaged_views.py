"""Puts test-time augmentation inside a network, so that exports and servers answer with the mean over its views."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from ...spaces.base import Candidate, Outline


def answering_network(candidate: Candidate | Outline) -> keras.Model:
    """Returns the network that answers for a candidate: its own, or one that answers with the mean over its views."""
    import keras

    network, views = candidate.network, candidate.views
    if views is None:
        return network
    images = keras.Input(network.input_shape[1:], dtype=network.input_dtype)
    answers = [network(view) for view in views(images)]
    return keras.Model(images, keras.layers.Average(dtype="float32")(answers), name=f"{network.name}_views")
