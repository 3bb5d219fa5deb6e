"""Turns a network's probabilities into names, as its contract says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..evaluation.decisions import Probabilities
from ..models.contract import ModelContract

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Answer:
    """A model's answer for one image."""

    names: tuple[str, ...]
    """Classes that the image carries: one, or any number for multi-label tasks; none when nothing is sure enough."""
    probability: float
    """Probability of the best answer, 0 to 1."""
    probabilities: tuple[tuple[str, float], ...]
    """Every class with its probability, the most probable first."""

    @property
    def name(self) -> str:
        """Returns the names in one line; "unknown" when there is none."""
        return ", ".join(self.names) or UNKNOWN

    def to_dict(self, most: int | None = None) -> dict[str, object]:
        """Returns the answer as JSON takes it, with the probabilities of at most `most` classes, of all for None."""
        return {
            "name": self.name,
            "names": list(self.names),
            "probability": self.probability,
            "probabilities": dict(self.probabilities[:most]),
        }


def decide(
    contract: ModelContract, probabilities: Probabilities, minimum_probability: float | None = None
) -> list[Answer]:
    """Returns one answer per row.

    Args:
        contract: The model's contract.
        probabilities: float32 (n, outputs).
        minimum_probability: Probability below which the answer is "unknown"; the contract's when None.
    """
    minimum = contract.minimum_probability if minimum_probability is None else minimum_probability
    columns = np.concatenate([1 - probabilities, probabilities], axis=1) if contract.task == "binary" else probabilities
    return [_answer(contract, row.astype(float), minimum) for row in columns]


def _answer(contract: ModelContract, row: NDArray[np.float64], minimum: float) -> Answer:
    order = np.argsort(-row, kind="stable")
    thresholds = contract.class_thresholds()
    if contract.task == "multilabel":
        chosen = [int(column) for column in order if row[column] >= max(thresholds[column], minimum)]
        best = float(row[order[0]])
    else:
        choice = int(row[1] >= thresholds[0]) if contract.task == "binary" else int(order[0])
        best = float(row[choice])
        chosen = [choice] if best >= minimum else []
    ranked = tuple((contract.classes[column], float(row[column])) for column in order)
    return Answer(tuple(contract.classes[column] for column in chosen), best, ranked)
