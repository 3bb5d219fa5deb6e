"""Compares samplers, pruners and a warm start in real searches on scikit-learn's digits, with several seeds each.

    uv run python benchmarks/strategies.py [--what samplers,pruners,warm] [--trials 24] [--seeds 3] [--workers 2]

Every search is of the space `convnet`, with small networks and 300 images, so that a trial takes seconds and scores are
far from perfect. Prints the best validation accuracy after a third, two thirds and all of the trials, as mean and
standard deviation over the seeds, and the number of epochs trained. Scores do not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measurements import Column, Table, arguments_of, tell

from apertune import datasets, search
from apertune.datasets.base import ImageDataset
from apertune.search.settings import make_home

EPOCHS = 9
FIXED = {"convolutions": "1", "convolution": "plain", "kernel_size": "3", "batch_size": "32", "mixing": "none"}
NARROW = {"filters": "16,32", "blocks": "1,2"}
SAMPLERS = ("guided", "random", "qmc", "tpe", "nsga2", "cmaes")
PRUNERS = ("none", "chance", "median", "successive-halving", "hyperband")
SPREAD = "{0[mean]:.3f} ± {0[spread]:.3f}"
MEASURED = Table(
    "strategies",
    Column("search", ""),
    Column("third", "best after a third of the trials", SPREAD),
    Column("two_thirds", "two thirds", SPREAD),
    Column("all", "all", SPREAD),
    Column("epochs", "epochs", "{:.0f}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", default="samplers,pruners,warm")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    arguments = arguments_of(parser)
    wanted = arguments.what.split(",")
    if "samplers" in wanted:
        for name in SAMPLERS:
            report(f"sampler {name}", arguments, {"sampler": name, "pruner": "none"})
    if "pruners" in wanted:
        for name in PRUNERS:
            report(f"pruner {name} (random)", arguments, {"sampler": "random", "pruner": name})
    if "warm" in wanted:
        report("cold", arguments, {"pruner": "none", "trials": 6})
        report("warm", arguments, {"pruner": "none", "trials": 6}, warm=True)
    tell(MEASURED)


def report(title: str, arguments: argparse.Namespace, settings: Mapping[str, Any], warm: bool = False) -> None:
    given = {"trials": arguments.trials, "workers": arguments.workers, **settings}
    results = [searched(given, seed, warm) for seed in range(arguments.seeds)]
    columns = [[bests[place] for bests, _ in results] for place in range(3)]
    third, two_thirds, all_trials = ({"mean": statistics.fmean(one), "spread": _spread(one)} for one in columns)
    epochs = statistics.fmean(epochs for _, epochs in results)
    MEASURED.add(search=title, third=third, two_thirds=two_thirds, all=all_trials, epochs=epochs)
    print(f"{title}: {SPREAD.format(all_trials)}", flush=True)


def searched(settings: Mapping[str, Any], seed: int, warm: bool) -> tuple[list[float], int]:
    """Returns the best value after a third, two thirds and all of the trials, and the number of epochs trained."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_home({}, root=Path(folder) / "mlflow")
        common = {"epochs": EPOCHS, "objective": "accuracy", "fix": FIXED, "narrow": NARROW, "keep_models": "none"}
        more: dict[str, Any] = {}
        if warm:
            # There are too few images for larger batches.
            fixed = {**FIXED, "batch_size": "16"}
            own = {"trials": 12, "seed": 100 + seed, "study": "small", "fix": fixed}
            before = search.SearchSettings(**{**common, **settings, **own})
            search.run(digits(100), before, home=home)
            more = {"from_study": "small"}
        result = search.run(
            digits(300), search.SearchSettings(**{**common, **settings, **more, "seed": seed}), home=home
        )
    trials = sorted(result.trials, key=lambda trial: trial.number)
    values = [trial.value or 0.0 for trial in trials]
    parts = [max(1, len(values) * part // 3) for part in (1, 2, 3)]
    return [max(values[:part]) for part in parts], sum(trial.epochs for trial in trials)


def digits(limit: int) -> ImageDataset:
    return datasets.load("digits", settings=datasets.LoadSettings(limit=limit))


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    sys.exit(main())
