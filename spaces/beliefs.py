"""The beliefs about the parameters of the spaces that ship: one table, which a search draws by before it knows better.

They were taken from the mean ranks of values on the recorded curves of `benchmarks/` and from the paired trainings of
`benchmarks/ceilings.py`, and agree with what is known of the methods. Parameters that the tables do not name are
believed in as `Belief()` says. Nothing here imports Keras.
"""

from __future__ import annotations

from collections.abc import Mapping

from .registry import SPACES
from .search_space.prior import Belief

# Epochs from which on a training is long: mixed images and strong augmentation slow it down, and pay at its end.
LONG_TRAINING = 40
# The chance of what takes long falls with this power of the epochs, as a share of a long training.
FALL = 3

BELIEFS: dict[str, Belief] = {
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
    "brightness": Belief(width=0.2),
    "contrast": Belief(width=0.2),
    "plain_share": Belief(width=0.2, centre=0.2),
    "squeeze_excitation": Belief(weights={True: 1.0, False: 1.0}),
}
OF_ONE_SPACE: dict[str, dict[str, Belief]] = {
    # In `pretrained` the parameter of this name has another meaning and default.
    "convnet": {"dense_units": Belief(centre=512)},
}
"""Beliefs about parameters of one space alone, by its name."""
# Chances of what is switched on: rare in the shortest trainings, and those of any other choice in long ones.
_SELDOM_AT_FIRST = Belief(weights={True: 1.0, False: 40.0}), Belief(weights={True: 1.0, False: 4.0})
DEMANDING: dict[str, tuple[Belief, Belief]] = {
    "mixing": (
        Belief(weights={"none": 40.0, "mixup": 1.0, "cutmix": 1.0}),
        Belief(weights={"none": 4.0, "mixup": 1.0, "cutmix": 1.0}),
    ),
    "augmentation": (
        Belief(weights={"basic": 4.0, "none": 3.0, "randaugment": 0.15}),
        Belief(weights={"basic": 4.0, "none": 1.0, "randaugment": 1.0}),
    ),
    "random_crops": _SELDOM_AT_FIRST,
    "average_weights": _SELDOM_AT_FIRST,
    # A low rate has not come far when a short training ends; a high one has.
    "learning_rate": (Belief(width=0.15, width_below=0.05), Belief(width=0.15)),
    "rotation": (Belief(width=0.12), Belief()),
    "shear": (Belief(width=0.08), Belief(width=0.2)),
    "erasing": (Belief(width=0.08), Belief(width=0.2)),
    "noise": (Belief(width=0.12), Belief()),
    "averaged_epochs": (Belief(width=0.15), Belief()),
}
"""Beliefs about parameters with values that need long trainings: for the shortest, and for long ones.

In between, chances and widths lie between the two: chances by the cube of the epochs' share of a long training, so that
half of its epochs bring an eighth of the way, and widths by the share itself.
"""


def beliefs_about(space: str, epochs: int) -> Mapping[str, Belief]:
    """Returns what is believed about the parameters of a space, by their names.

    Args:
        space: The space's name; one of the user's own has no entries, and its defaults are all that is known.
        epochs: Epochs per training at most.
    """
    if space not in SPACES:
        return {}
    share = min(1.0, epochs / LONG_TRAINING)
    demanding = {name: _between(short, long, share) for name, (short, long) in DEMANDING.items()}
    return {**BELIEFS, **demanding, **OF_ONE_SPACE.get(space, {})}


def _between(short: Belief, long: Belief, share: float) -> Belief:
    """Returns a belief between two, of which the second is held for a share of 1."""
    width = short.width + (long.width - short.width) * share
    below = short.below + (long.below - short.below) * share
    if not long.weights:
        return Belief(width=width, width_below=None if below == width else below)
    totals = sum(short.weights.values()), sum(long.weights.values())
    part = share**FALL
    return Belief(
        weights={
            value: (1.0 - part) * short.weights[value] / totals[0] + part * long.weights[value] / totals[1]
            for value in long.weights
        }
    )
