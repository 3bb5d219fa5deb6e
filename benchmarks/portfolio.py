"""Chooses the portfolio that ships, `spaces/portfolio.json`, from the recorded curves.

    uv run --group benchmarks python benchmarks/portfolio.py [--size 16] [--write]

Configurations are chosen greedily: each next one is that which brings the best value reached with all those before it
up the most, on average over the sets (normalised per set) and over imagined sets like them. Source of the method: Xu,
Hoos and Leyton-Brown, Hydra, AAAI 2010, and Feurer et al., Auto-sklearn 2.0, JMLR 2022. How good a portfolio is on a
set is only ever told by one that was chosen on sets of other sources; `benchmarks/replay.py` does that.

A set of which fewer configurations were recorded counts the others by what they gain on average elsewhere.

Curves were recorded of `convnet` only. `residual` and `pretrained` get the parameters that mean the same there: those
of the recipe, and a few of the network. For several labels per image, sets of that task count as much as all others.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
from recorded_curves import RecordedSet, recorded_sets
from recorded_sets import SETS

from apertune import spaces
from apertune.datasets.base import DataSpec, Task
from apertune.spaces.portfolio import RECORDED, TASKS_OF_THEIR_OWN, TRANSFERRED, key_of

# Standard deviation of a configuration's gain between a recorded set and one like it, in units of the distance between
# the median and the best twentieth of a set.
UNLIKENESS = 0.4
IMAGINED = 100
SHIPPED = Path(__file__).parent.parent / "spaces" / "portfolio.json"


# Parameters of the network that mean the same in other spaces; those of the recipe all do.
SHARED = {
    "residual": (
        "activation", "normalization", "squeeze_excitation", "squeeze_ratio", "regularization", "l2", "head_dropout",
    ),
    "pretrained": ("head_dropout",),
}  # fmt: skip


def _indices(known: Sequence[Mapping[int, Any]]) -> list[int]:
    """Returns the configurations that every set has, or would have had if as many had been recorded of it.

    One that a set lacks between those that it has could not be trained there, since its network is too large.
    """
    last = [max(configurations) for configurations in known]
    everywhere = set().union(*known) - {-1}
    return sorted(
        index
        for index in everywhere
        if all(index in configurations or index > end for configurations, end in zip(known, last, strict=True))
    )


def choose(sets: Sequence[RecordedSet], size: int, task: Task | None = None) -> list[dict[str, Any]]:
    """Returns configurations, best first, as values by parameter name; a value that is left out is the default.

    Args:
        sets: The recorded sets to choose on.
        size: Configurations at most.
        task: A task whose sets count as much as all others together; None to count all alike.
    """
    known = [{one.index: one for one in recorded.firsts} for recorded in sets]
    indices = _indices(known)
    defaults = [np.mean([one.curve.max() for one in recorded.trainings if one.index < 0]) for recorded in sets]
    values = np.array(
        [
            [configurations[index].curve.max() if index in configurations else np.nan for index in indices]
            for configurations in known
        ]
    )
    spreads = [max(float(np.nanquantile(row, 0.95) - np.nanmedian(row)), 1e-6) for row in values]
    gains = (values - np.array(defaults)[:, None]) / np.array(spreads)[:, None]
    gains = np.where(np.isnan(gains), np.nanmean(gains, axis=0), gains)
    # A new set differs from those recorded, and luck makes the best ones look better than they are. So the best of the
    # chosen is expected over many imagined sets, whose gains differ from those of a recorded one by chance.
    random = np.random.default_rng(0)
    imagined = (gains[None] + random.normal(0.0, UNLIKENESS, (IMAGINED, *gains.shape))).reshape(-1, len(indices))
    weights = np.tile(_weights(sets, task), IMAGINED)
    reached = np.zeros(len(imagined))
    chosen: list[int] = []
    for _ in range(min(size, len(indices))):
        after = np.average(np.maximum(reached[:, None], imagined), axis=0, weights=weights)
        after[chosen] = -np.inf
        best = int(np.argmax(after))
        chosen.append(best)
        reached = np.maximum(reached, imagined[:, best])
    return [_shared_values(indices[place], sets, known, task) for place in chosen]


def _weights(sets: Sequence[RecordedSet], task: Task | None) -> list[float]:
    """Returns the weight of each set."""
    own = sum(recorded.task == task for recorded in sets)
    others = len(sets) - own
    return [others / own if recorded.task == task and others else 1.0 for recorded in sets]


def transferred(chosen: Sequence[dict[str, Any]], space: str) -> list[dict[str, Any]]:
    """Returns what configurations of `convnet` have in common with another space, in their order, each once.

    Args:
        chosen: The configurations, best first.
        space: A key of `SHARED`.
    """
    spec = DataSpec((64, 64, 3), "multilabel", ("a", "b", "c"), (400, 400, 400), 1200)
    recipe: set[str] = set()
    for name in (RECORDED, space):
        loaded = spaces.load(name, spec, options={"weights": "none"} if name == "pretrained" else None)
        hp = keras_tuner.HyperParameters()
        loaded.declarations()[-1](hp)
        names = {parameter.name for parameter in hp.space}
        recipe = recipe & names if recipe else names
    found: list[dict[str, Any]] = []
    for values in chosen:
        shared = {name: value for name, value in values.items() if name in recipe or name in SHARED[space]}
        if shared and shared not in found:
            found.append(shared)
    return found


def _shared_values(
    index: int, sets: Sequence[RecordedSet], known: Sequence[dict[int, Any]], task: Task | None
) -> dict[str, Any]:
    """Returns the values of a configuration, without those that are the default on every set.

    Where ranges depend on the images, sets differ in a value; that of the set with the most blocks is taken, among
    those of the task if there are any, since its loss has parameters of its own.
    """
    defaults = [recorded.space.defaults() for recorded in sets]
    places = [place for place, configurations in enumerate(known) if index in configurations]
    largest = max(places, key=lambda place: (sets[place].task == task, float(defaults[place].get("blocks", 0))))
    values = known[largest][index].values
    return {
        name: value
        for name, value in values.items()
        if any(known[place][index].values.get(name) != defaults[place].get(name) for place in places)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    portfolios = shipped(recorded_sets(list(SETS)), arguments.size)
    for name, chosen in portfolios.items():
        for values in chosen:
            print(f"{name}: {json.dumps(values)}")
    if arguments.write:
        SHIPPED.write_text(json.dumps(portfolios, indent=1, sort_keys=True) + "\n")


def shipped(sets: Sequence[RecordedSet], size: int) -> dict[str, list[dict[str, Any]]]:
    """Returns the portfolios of all spaces and tasks, by the name that they have in the file."""
    found: dict[str, list[dict[str, Any]]] = {}
    for task in (None, *TASKS_OF_THEIR_OWN):
        chosen = found[key_of(RECORDED, task)] = choose(sets, size, task)
        for space in TRANSFERRED:
            found[key_of(space, task)] = transferred(chosen, space)
    return found


if __name__ == "__main__":
    main()
