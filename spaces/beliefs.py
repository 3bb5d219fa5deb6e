"""The beliefs about the parameters of the spaces that ship: one table, which a search draws by before it knows better.

They were taken from the mean ranks of values on the recorded curves of `benchmarks/`, and agree with what is known of
the methods. Parameters that the table does not name are believed in as `Belief()` says. Nothing here imports Keras.
"""

from __future__ import annotations

from collections.abc import Mapping

from .registry import SPACES
from .search_space.prior import Belief

# Mixed images slow training down, and pay after this many epochs.
LONG_TRAINING = 30

BELIEFS: dict[str, Belief] = {
    # A tenth of the default's rate ruins a training more surely than any other choice.
    "learning_rate": Belief(width=0.15),
    "optimizer": Belief(weights={"adam": 5.0, "adamw": 3.0, "sgd": 3.0, "rmsprop": 1.5, "adamax": 1.5, "lion": 0.5}),
    "nesterov": Belief(weights={True: 4.0, False: 1.0}),
    "schedule": Belief(weights={"cosine": 4.0, "restarts": 3.0, "plateau": 2.0, "constant": 1.5, "step": 0.5}),
    "warmup": Belief(width=0.15),
    "drops": Belief(width=0.2),
    "normalization": Belief(weights={"batch": 12.0, "group": 1.0, "none": 1.5}),
    "convolution": Belief(weights={"plain": 5.0, "separable": 1.5}),
    "blocks": Belief(width=0.2),
    "head": Belief(weights={"average": 5.0, "flatten": 2.5, "max": 0.7}),
    "filters_growth": Belief(width=0.2),
    "block_dropout_rate": Belief(width=0.2),
    "class_weights": Belief(
        weights={"none": 10.0, "square_root": 2.0, "balanced": 2.0, "total_over_count": 2.0, "effective_number": 1.0}
    ),
    "flip": Belief(weights={"none": 6.0, "horizontal": 3.0, "both": 0.5}),
    "shear": Belief(width=0.2),
    "brightness": Belief(width=0.2),
    "contrast": Belief(width=0.2),
    "erasing": Belief(width=0.2),
    "plain_share": Belief(width=0.2),
    "stochastic_depth": Belief(width=0.2),
}
SHORT_TRAINING: dict[str, Belief] = {
    "mixing": Belief(weights={"none": 20.0, "mixup": 1.0, "cutmix": 1.0}),
    "augmentation": Belief(weights={"basic": 4.0, "none": 3.0, "randaugment": 1.0}),
    "averaged_epochs": Belief(width=0.2),
}
"""Beliefs about trainings that are shorter than `LONG_TRAINING`, beside the others."""


def beliefs_about(space: str, epochs: int) -> Mapping[str, Belief]:
    """Returns what is believed about the parameters of a space, by their names.

    Args:
        space: The space's name; one of the user's own has no entries, and its defaults are all that is known.
        epochs: Epochs per training at most.
    """
    if space not in SPACES:
        return {}
    return BELIEFS if epochs >= LONG_TRAINING else {**BELIEFS, **SHORT_TRAINING}
