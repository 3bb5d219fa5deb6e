"""Chooses the portfolio that ships, `spaces/portfolio.json`, from the recorded curves.

    uv run --group benchmarks python benchmarks/portfolio.py [--size 16] [--write]

Configurations are chosen greedily: each next one is that which brings the best value reached with all those before it
up the most, on average over the sets (normalised per set) and over imagined sets like them. Source of the method: Xu,
Hoos and Leyton-Brown, Hydra, AAAI 2010, and Feurer et al., Auto-sklearn 2.0, JMLR 2022. How good a portfolio is on a
set is only ever told by one that was chosen on sets of other sources; `benchmarks/replay.py` does that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from recorded_curves import RecordedSet, recorded_sets
from recorded_sets import SETS

# Standard deviation of a configuration's gain between a recorded set and one like it, in units of the distance between
# the median and the best twentieth of a set.
UNLIKENESS = 0.4
IMAGINED = 100
SHIPPED = Path(__file__).parent.parent / "spaces" / "portfolio.json"


def choose(sets: Sequence[RecordedSet], size: int) -> list[dict[str, Any]]:
    """Returns configurations, best first, as values by parameter name; a value that is left out is the default.

    Args:
        sets: The recorded sets to choose on.
        size: Configurations at most.
    """
    known = [{one.index: one for one in recorded.firsts} for recorded in sets]
    indices = sorted(set.intersection(*({*configurations} for configurations in known)) - {-1})
    defaults = [np.mean([one.curve.max() for one in recorded.trainings if one.index < 0]) for recorded in sets]
    values = np.array([[configurations[index].curve.max() for index in indices] for configurations in known])
    spreads = [max(float(np.quantile(row, 0.95) - np.median(row)), 1e-6) for row in values]
    gains = (values - np.array(defaults)[:, None]) / np.array(spreads)[:, None]
    # A new set differs from those recorded, and luck makes the best ones look better than they are. So the best of the
    # chosen is expected over many imagined sets, whose gains differ from those of a recorded one by chance.
    random = np.random.default_rng(0)
    imagined = (gains[None] + random.normal(0.0, UNLIKENESS, (IMAGINED, *gains.shape))).reshape(-1, len(indices))
    reached = np.zeros(len(imagined))
    chosen: list[int] = []
    for _ in range(min(size, len(indices))):
        after = np.maximum(reached[:, None], imagined).mean(axis=0)
        after[chosen] = -np.inf
        best = int(np.argmax(after))
        chosen.append(best)
        reached = np.maximum(reached, imagined[:, best])
    return [_shared_values(indices[place], sets, known) for place in chosen]


def _shared_values(index: int, sets: Sequence[RecordedSet], known: Sequence[dict[int, Any]]) -> dict[str, Any]:
    """Returns the values of a configuration, without those that are the default on every set.

    Where ranges depend on the images, sets differ in a value; that of the set with the most blocks is taken.
    """
    defaults = [recorded.space.defaults() for recorded in sets]
    largest = max(range(len(sets)), key=lambda place: float(defaults[place].get("blocks", 0)))
    values = known[largest][index].values
    return {
        name: value
        for name, value in values.items()
        if any(known[place][index].values.get(name) != defaults[place].get(name) for place in range(len(sets)))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    chosen = choose(recorded_sets(list(SETS)), arguments.size)
    for values in chosen:
        print(json.dumps(values))
    if arguments.write:
        SHIPPED.write_text(json.dumps({"convnet": chosen}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
