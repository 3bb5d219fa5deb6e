"""Records the training curves of the same configurations of `convnet` on several real data sets.

    uv run --group benchmarks python benchmarks/record.py --data FOLDER [--sets digits,pets] [--workers 2] [--hours 2]
    uv run --group benchmarks python benchmarks/record.py --pack

FOLDER holds the sets in their original formats (`fer2013/fer2013.csv`, `simpsons_dataset/`, `pets/`); `digits` and
`mnist` need none. A recording that was stopped goes on where it was, and runs at low priority beside other work. Every
training ends as a line of `benchmarks/curves/SET.jsonl`; `--pack` writes them to `SET.parquet`, which is kept in the
repository. `benchmarks/replay.py` replays searches from them.

Configuration number i is drawn from the same random numbers on every set, so it is the same one but for parameters
whose range depends on the images. Of ten, five are drawn around the default, three evenly, and two are the default with
a fifth of its parameters drawn anew. Before them come the default with three seeds; after them, every tenth
configuration with a second seed. Nothing ends a training early.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from recorded_sets import SETS

from apertune import spaces
from apertune.datasets.base import ImageDataset
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Values
from apertune.spaces.search_space.prior import Prior, even_value

CURVES = Path(__file__).parent / "curves"
DEFAULT_SEEDS = 3
REPEATED = 10
# Networks that cost more than this many times the default's are not trained, and recorded as infeasible.
MOST_FLOPS = 1.5
# A fifth of the parameters of a configuration that is near the default are drawn anew.
REDRAWN = 0.2
# Populations of configurations 0 to 9, 10 to 19 and so on.
PATTERN = ("prior", "uniform", "prior", "few", "prior", "uniform", "prior", "few", "prior", "uniform")


@dataclass(frozen=True)
class Training:
    """One training to record."""

    population: str
    """default, prior, few or uniform."""
    index: int
    """Number of the configuration."""
    seed: int

    @property
    def key(self) -> str:
        """Unique among the trainings of a set."""
        return f"{self.population}:{self.index}:{self.seed}"


def plan(configurations: int) -> Iterator[Training]:
    """Yields all trainings of a set, in the order to record them."""
    yield from (Training("default", -1, seed) for seed in range(DEFAULT_SEEDS))
    for index in range(configurations):
        yield Training(PATTERN[index % len(PATTERN)], index, 0)
    for index in range(0, configurations, REPEATED):
        yield Training(PATTERN[index % len(PATTERN)], index, 1)


def values_of(training: Training, space: SearchSpace) -> Values:
    """Returns a configuration; each parameter has random numbers of its own, the same on every set."""
    prior = Prior(space, {})
    return space.configuration(lambda parameter: _value(parameter, training, prior))


def _value(parameter: Parameter, training: Training, prior: Prior) -> Any:
    random = np.random.default_rng((training.index + 1, zlib.crc32(parameter.key.encode())))
    if training.population == "uniform":
        return even_value(parameter, random)
    if training.population == "prior":
        return prior.draw_value(parameter, random)
    if training.population == "few" and random.random() < REDRAWN:
        return even_value(parameter, random)
    return parameter.default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--configurations", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--pack", action="store_true")
    arguments = parser.parse_args()
    names = arguments.sets.split(",")
    if arguments.pack:
        for name in names:
            pack(name)
        return
    deadline = time.monotonic() + arguments.hours * 3600
    os.nice(10)
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    for name in names:
        loaded = SETS[name].load(arguments.data)
        known = {line["key"] for line in recorded(name)}
        wanted = [one for one in plan(min(arguments.configurations, SETS[name].configurations)) if one.key not in known]
        record(name, loaded, wanted, arguments.workers, deadline)
    print("To keep what was recorded: python benchmarks/record.py --pack")


def record(name: str, dataset: ImageDataset, wanted: list[Training], workers: int, deadline: float) -> None:
    """Records trainings of one set until the deadline, in `time.monotonic` seconds."""
    CURVES.mkdir(exist_ok=True)
    context = get_context("spawn")
    queue = iter(wanted)
    with (
        ProcessPoolExecutor(workers, context, _prepare, (name, dataset), max_tasks_per_child=25) as pool,
        (CURVES / f"{name}.jsonl").open("a") as file,
    ):
        pending = {pool.submit(train, one) for one, _ in zip(queue, range(workers), strict=False)}
        while pending:
            ended = next(iter(wait(pending, return_when=FIRST_COMPLETED).done))
            pending.remove(ended)
            line = ended.result()
            file.write(json.dumps(line) + "\n")
            file.flush()
            print(f"{name} {line['key']}: {line['outcome']} {line['seconds']:.1f} s", flush=True)
            following = next(queue, None) if time.monotonic() < deadline else None
            if following is not None:
                pending.add(pool.submit(train, following))


_STATE: dict[str, Any] = {}


def _prepare(name: str, dataset: ImageDataset) -> None:
    _STATE["view"], _STATE["epochs"] = dataset.training_view(), SETS[name].epochs
    spec = _STATE["view"].spec()
    convnet = spaces.load("convnet", spec)
    # A set's configurations stay comparable only while they come from one space: the one that its first was drawn from,
    # even when the package's own has changed since. Parameters that came later keep their defaults.
    drawn_from = CURVES / f"{name}.space.json"
    if not drawn_from.exists():
        drawn_from.write_text(spaces.discover(convnet).to_json() + "\n")
    space = _STATE["space"] = SearchSpace.from_json(drawn_from.read_text())
    from apertune.search.training.network_cost import measure_cost

    default = convnet.candidate(spaces.hyperparameters(space, space.defaults()), epochs=1, seed=0)
    _STATE["flops"] = measure_cost(default.network, spec.image_shape, latency=False)["flops"]


def train(training: Training) -> dict[str, Any]:
    """Trains one configuration, and returns all that is recorded of it."""
    from apertune.search.evaluation.metrics import default_objective
    from apertune.search.messages import EpochEnded, SpaceReference, TrialTask
    from apertune.search.training.trial import run_trial

    view, space = _STATE["view"], _STATE["space"]
    values = values_of(training, space)
    epochs: list[EpochEnded] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        task = TrialTask(
            number=0,
            view=view,
            space=SpaceReference("convnet"),
            search_space=space,
            values=values,
            seed=training.seed,
            epochs=_STATE["epochs"],
            patience=None,
            objective=default_objective(view.task),
            folder=Path(folder),
            keep_model=False,
            limits={"flops": MOST_FLOPS * _STATE["flops"]},
        )
        result = run_trial(task, lambda event: epochs.append(event) if isinstance(event, EpochEnded) else None, _never)
    names = sorted({name for epoch in epochs for name in epoch.metrics})
    return {
        "key": training.key,
        "population": training.population,
        "index": training.index,
        "seed": training.seed,
        "values": values,
        "outcome": result.outcome,
        "reason": result.reason,
        "value": result.value,
        "parameters": result.parameters,
        "flops": result.cost.get("flops"),
        "seconds": time.monotonic() - began,
        "epoch_seconds": [round(epoch.seconds, 3) for epoch in epochs],
        "curves": {name: [_rounded(epoch.metrics.get(name)) for epoch in epochs] for name in names},
    }


def _never() -> None:
    return None


def _rounded(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.5g}")


def recorded(name: str) -> list[dict[str, Any]]:
    """Returns all recorded trainings of a set: the packed ones, and those recorded since."""
    lines: dict[str, dict[str, Any]] = {}
    if (packed := CURVES / f"{name}.parquet").exists():
        import pyarrow.parquet as parquet

        for row in parquet.read_table(packed).to_pylist():
            row["values"], row["curves"] = json.loads(row["values"]), json.loads(row["curves"])
            lines[row["key"]] = row
    if (written := CURVES / f"{name}.jsonl").exists():
        for text in written.read_text().splitlines():
            line = json.loads(text)
            lines[line["key"]] = line
    return list(lines.values())


def pack(name: str) -> None:
    """Writes all recorded trainings of a set to its parquet file."""
    import pyarrow
    import pyarrow.parquet as parquet

    rows = recorded(name)
    if not rows:
        return
    for row in rows:
        row["values"], row["curves"] = json.dumps(row["values"]), json.dumps(row["curves"])
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, CURVES / f"{name}.parquet", compression="zstd", compression_level=19)
    print(f"{name}: {len(rows)} trainings")


if __name__ == "__main__":
    main()
