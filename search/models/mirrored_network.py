"""Puts the mirror image inside a network, so that every export and server answers with the mean over both.

Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012, section 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from ...spaces.base import Candidate


def answering_network(candidate: Candidate) -> keras.Model:
    """Returns the network that answers for a candidate: its own, or the one that sees mirror images, too."""
    return with_mirror_images(candidate.network) if candidate.mirrored_answers else candidate.network


def with_mirror_images(network: keras.Model) -> keras.Model:
    """Returns a network that answers with the mean of a network's answers to an image and its mirror image.

    Args:
        network: From uint8 (n, height, width, channels) to probabilities float32 (n, outputs).
    """
    import keras

    images = keras.Input(network.input_shape[1:], dtype=network.input_dtype)
    both = [network(images), network(images[:, :, ::-1, :])]
    return keras.Model(images, keras.layers.Average(dtype="float32")(both), name=f"{network.name}_mirrored")
