"""The beliefs about the parameters of the spaces that ship: one table, which a search draws by before it knows better.

They hold for short trainings on small sets as well as for long ones, and were checked on the recorded curves of
`benchmarks/`. Parameters that the table does not name are believed in as `Belief()` says. Nothing here imports Keras.
"""

from __future__ import annotations

from collections.abc import Mapping

from .registry import SPACES
from .search_space.prior import Belief

# Mixed images slow training down, and pay after this many epochs.
LONG_TRAINING = 30

BELIEFS: dict[str, Belief] = {
    "normalization": Belief(weights={"batch": 12.0, "group": 2.0, "none": 0.5}),
    "flip": Belief(weights={"none": 6.0, "horizontal": 4.0, "both": 0.5}),
    "learning_rate": Belief(width=0.15),
    "class_weights": Belief(weights={"none": 10.0, "square_root": 3.0, "balanced": 1.0, "total_over_count": 0.3}),
    "regularization": Belief(weights={"none": 4.0, "l2": 1.0}),
    "optimizer": Belief(weights={"adam": 5.0, "adamw": 4.0, "sgd": 2.0, "rmsprop": 1.5, "adamax": 1.5, "lion": 1.0}),
}
SHORT_TRAINING: dict[str, Belief] = {"mixing": Belief(weights={"none": 20.0, "mixup": 1.0, "cutmix": 1.0})}


def beliefs_about(space: str, epochs: int) -> Mapping[str, Belief]:
    """Returns what is believed about the parameters of a space, by their names.

    Args:
        space: The space's name; one of the user's own has no entries, and its defaults are all that is known.
        epochs: Epochs per training at most.
    """
    if space not in SPACES:
        return {}
    return BELIEFS if epochs >= LONG_TRAINING else {**BELIEFS, **SHORT_TRAINING}
