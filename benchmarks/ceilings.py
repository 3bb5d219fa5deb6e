"""Judges each parameter of the spaces that is off by default and promises a higher ceiling, by paired trainings.

    uv run --group benchmarks python benchmarks/ceilings.py --data FOLDER [--sets digits,pets] [--bases 3] [--seeds 3]
    uv run --group benchmarks python benchmarks/ceilings.py --report [--json]

Each of some configurations, the default and the first of the portfolio, is trained with and without one change, with
the same seed, on the small sets of `recorded_sets.py`, and the difference of the objectives after their best epochs
counts. Told are its mean and a 95 % interval of the bootstrap over these pairs, per set and over all. A training that
serves several comparisons is trained once. Every training ends as a line of `benchmarks/ceilings.jsonl`; a recording
that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measurements import Column, Table, arguments_of, tell
from recorded_sets import SETS

from apertune import spaces
from apertune.datasets.base import ImageDataset
from apertune.search.strategies.translation import repair
from apertune.spaces.portfolio import portfolio_of
from apertune.spaces.search_space.parameters import SearchSpace, Value, Values

RECORDED = Path(__file__).with_name("ceilings.jsonl")
# The task and the spaces of each recorded set, so that a report needs no data.
FACTS = Path(__file__).with_name("ceilings.spaces.json")
RESAMPLES = 10_000
# The mean of fewer pairs than this is told without an interval, and decides nothing.
LEAST_PAIRS = 6


@dataclass(frozen=True)
class Ceiling:
    """One change to judge."""

    change: Mapping[str, Value]
    """The values with which the one training of a pair differs from the other."""
    both: Mapping[str, Value] = field(default_factory=dict)
    """Values that both take, without which the change would have no effect."""
    space: str = "convnet"
    """The space."""


AUGMENTED: dict[str, Value] = {"augmentation": "basic"}
FLIPPED: dict[str, Value] = {**AUGMENTED, "flip": "horizontal"}
CROPPED: dict[str, Value] = {"random_crops": True, "crop_scale": 0.6, "cropped_answers": False}
CEILINGS: dict[str, Ceiling] = {
    "averaged weights": Ceiling({"average_weights": True, "averaged_epochs": 1.0}),
    "squeeze-and-excitation": Ceiling({"squeeze_excitation": True, "squeeze_ratio": 8}),
    "random crops": Ceiling(CROPPED, AUGMENTED),
    "plain last epochs": Ceiling({"plain_share": 0.2}, AUGMENTED),
    "wider dense head": Ceiling({"dense_units": 512}, {"dense_layers": 1}),
    "mirrored answers": Ceiling({"mirrored_answers": True}, {**FLIPPED, "mirrored_answers": False}),
    "cropped answers": Ceiling({"cropped_answers": True}, {**AUGMENTED, **CROPPED}),
    "random crops, cropped answers": Ceiling({**CROPPED, "cropped_answers": True}, AUGMENTED),
    "rates by stage": Ceiling({"stage_rate_factor": 0.4}, {"fine_tuning": True}, space="pretrained"),
}
"""All changes by name. That of `pretrained` needs weights, which `--weights` names."""


@dataclass(frozen=True)
class Training:
    """One training: half of a pair, or of several."""

    set: str
    space: str
    values: Values
    seed: int

    @property
    def key(self) -> str:
        """Equal for equal trainings."""
        text = json.dumps([self.set, self.space, self.seed, sorted(self.values.items())])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Pair:
    """Two trainings that differ in one change."""

    ceiling: str
    base: int
    """Number of the configuration: 0 for the default."""
    without: Training
    changed: Training


def pairs(name: str, search_spaces: Mapping[str, SearchSpace], task: Any, bases: int, seeds: int) -> Iterator[Pair]:
    """Yields the pairs of one set, all changes in turn, so that a recording that is cut short has some of each.

    Args:
        name: A key of `SETS`.
        search_spaces: The spaces that are there, by name.
        task: The set's task.
        bases: Configurations to begin with.
        seeds: Seeds for each.
    """
    for seed in range(seeds):
        for base in range(bases):
            for ceiling_name, ceiling in CEILINGS.items():
                if (space := search_spaces.get(ceiling.space)) is None:
                    continue
                known = [{}, *portfolio_of(ceiling.space, task)]
                if base >= len(known):
                    continue
                given = {**known[base], **dict.fromkeys(ceiling.change), **ceiling.both}
                without = {key: value for key, value in given.items() if value is not None}
                plain, _ = repair(without, space)
                changed, _ = repair({**plain, **ceiling.change}, space)
                if plain != changed:
                    yield Pair(
                        ceiling_name,
                        base,
                        Training(name, ceiling.space, plain, seed),
                        Training(name, ceiling.space, changed, seed),
                    )


def search_spaces(dataset: ImageDataset, weights: Path | None) -> dict[str, SearchSpace]:
    """Returns the spaces of all changes, discovered for a data set; `pretrained` only where weights are given."""
    spec = dataset.training_view().spec()
    names = {ceiling.space for ceiling in CEILINGS.values()} - (set() if weights else {"pretrained"})
    return {name: spaces.discover(spaces.load(name, spec, options=_options(name, weights))) for name in sorted(names)}


def _options(space: str, weights: Path | None) -> dict[str, str]:
    return {"weights": str(weights)} if space == "pretrained" else {}


def train(training: Training, dataset: ImageDataset, space: SearchSpace, weights: Path | None) -> dict[str, Any]:
    """Trains, and returns all that is recorded of it."""
    from apertune.search.evaluation.metrics import default_objective
    from apertune.search.messages import SpaceReference, TrialTask
    from apertune.search.training.trial import run_trial

    view = dataset.training_view()
    objective = default_objective(view.task)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        task = TrialTask(
            number=0,
            view=view,
            space=SpaceReference(training.space, options=_options(training.space, weights)),
            search_space=space,
            values=training.values,
            seed=training.seed,
            epochs=SETS[training.set].epochs,
            patience=None,
            objective=objective,
            folder=Path(folder),
            keep_model=False,
        )
        result = run_trial(task, lambda event: None, lambda: None)
    return {
        "key": training.key,
        "set": training.set,
        "space": training.space,
        "seed": training.seed,
        "values": training.values,
        "objective": objective,
        "outcome": result.outcome,
        "value": result.value,
        "seconds": round(time.monotonic() - began, 1),
    }


def recorded() -> dict[str, dict[str, Any]]:
    """Returns all recorded trainings by their keys."""
    if not RECORDED.exists():
        return {}
    lines = (json.loads(text) for text in RECORDED.read_text().splitlines())
    return {line["key"]: line for line in lines}


def recorded_facts() -> dict[str, Any]:
    """Returns task and spaces of the recorded sets, by name."""
    return dict(json.loads(FACTS.read_text())) if FACTS.exists() else {}


def record(name: str, arguments: argparse.Namespace, deadline: float) -> None:
    """Records what is missing of one set until the deadline, in `time.monotonic` seconds."""
    dataset = SETS[name].load(arguments.data)
    found = search_spaces(dataset, arguments.weights)
    facts = recorded_facts()
    facts[name] = {"task": dataset.task, "spaces": {space: json.loads(one.to_json()) for space, one in found.items()}}
    FACTS.write_text(json.dumps(facts) + "\n")
    known = recorded()
    with RECORDED.open("a") as file:
        for pair in pairs(name, found, dataset.task, arguments.bases, arguments.seeds):
            for training, half in ((pair.without, "without"), (pair.changed, "with")):
                if training.key not in known and time.monotonic() < deadline:
                    line = known[training.key] = train(training, dataset, found[training.space], arguments.weights)
                    file.write(json.dumps(line) + "\n")
                    file.flush()
                    told = f"{name}, base {pair.base}, seed {training.seed}, {half} {pair.ceiling}"
                    print(f"{told}: {line['value']} in {line['seconds']} s", flush=True)


def differences(names: Sequence[str], arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Returns the difference that each change made in each pair, by change and set."""
    known, facts = recorded(), recorded_facts()
    found: dict[str, dict[str, list[float]]] = {ceiling: {} for ceiling in CEILINGS}
    for name in names:
        if name not in facts:
            continue
        loaded = {space: SearchSpace.from_json(json.dumps(one)) for space, one in facts[name]["spaces"].items()}
        for pair in pairs(name, loaded, facts[name]["task"], arguments.bases, arguments.seeds):
            halves = [known.get(training.key) for training in (pair.without, pair.changed)]
            values = [half["value"] for half in halves if half is not None and half["value"] is not None]
            if len(values) == 2:
                found[pair.ceiling].setdefault(name, []).append(values[1] - values[0])
    return found


def judged(by_set: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Returns the mean difference over sets that count alike, with its interval where there are enough pairs.

    Args:
        by_set: The differences of each set.
    """
    random = np.random.default_rng(0)
    means = [np.mean(values) for values in by_set.values()]
    drawn = [
        np.asarray(values)[random.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
        for values in by_set.values()
    ]
    count = sum(map(len, by_set.values()))
    if not count:
        return {"pairs": 0, "verdict": "not measured"}
    mean = round(float(np.mean(means)), 4)
    if count < LEAST_PAIRS:
        return {"pairs": count, "mean": mean, "verdict": "undecided"}
    low, high = (round(float(bound), 4) for bound in np.quantile(np.mean(drawn, axis=0), [0.025, 0.975]))
    verdict = "pays" if low > 0 else "does not pay" if high < 0 else "undecided"
    return {"pairs": count, "mean": mean, "low": low, "high": high, "verdict": verdict}


def table_of(names: Sequence[str], arguments: argparse.Namespace) -> Table:
    """Returns a row for each change."""
    table = Table(
        "ceilings",
        Column("ceiling", "change"),
        Column("pairs", "pairs"),
        Column("mean", "mean difference", "{:+.3f}"),
        Column("interval", "95 % interval", "{:+.3f}"),
        Column("sets", "per set"),
        Column("verdict", "verdict"),
    )
    for ceiling, by_set in differences(names, arguments).items():
        judgement = judged(by_set)
        bounds = [judgement.pop(key) for key in ("low", "high") if key in judgement]
        each = ", ".join(f"{name} {np.mean(values):+.3f}" for name, values in by_set.items())
        table.add(ceiling=ceiling, interval=bounds or None, sets=each, **judgement)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of real data sets")
    parser.add_argument("--sets", default="digits,pets,simpsons")
    parser.add_argument("--bases", type=int, default=3, help="the default and this many less one of the portfolio")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="folder of weights for the changes to `pretrained`")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--report", action="store_true", help="train nothing")
    arguments = arguments_of(parser)
    names = [name for name in arguments.sets.split(",") if name]
    for name in names:
        if name not in SETS:
            parser.error(f"--sets must name some of {', '.join(SETS)}, but got {name}")
    if not arguments.report:
        os.nice(10)
        os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
        deadline = time.monotonic() + arguments.hours * 3600
        for name in names:
            record(name, arguments, deadline)
    tell(table_of(names, arguments))


if __name__ == "__main__":
    main()
