"""Compares the same search by Apertune, KerasTuner, Ray Tune and a bare Optuna loop: time, memory, best score.

    uv run python benchmarks/peers.py [--trials 6] [--epochs 5] [--rounds 1]
    uv run python benchmarks/peers.py --dataset fer2013 --data fer2013.csv --limit 2000
    uv run python benchmarks/peers.py --pruning --epochs 9 --trials 20

The contenders run one after another in fresh processes, in reverse order in every second round. Without --pruning all
train the same configurations for the same epochs. Two times are measured: that of the whole command, imports included,
and that from the first trial's end to the last one's, which leaves imports and start-up out. Memory is that of all
processes of a contender, with shared pages counted once (Linux). The contenders are in `benchmarks/peer_searches.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from measurements import Column, Table, arguments_of, tell

SEARCHES = Path(__file__).resolve().with_name("peer_searches.py")
EQUAL = ("apertune", "kerastuner", "bare", "ray")
PRUNING = ("apertune", "kerastuner-hyperband", "kerastuner-random", "bare", "ray")
TITLES = {
    "apertune": "Apertune",
    "apertune-one-worker": "Apertune, one worker",
    "kerastuner": "KerasTuner",
    "kerastuner-hyperband": "KerasTuner Hyperband",
    "kerastuner-random": "KerasTuner RandomSearch (does not prune)",
    "bare": "bare Optuna and Keras loop",
    "ray": "Ray Tune, OptunaSearch",
}
LOOK_EVERY_S = 0.5
# A framework's own caches fill in the first trials.
WARM_TRIALS = 3


@dataclass
class Run:
    """One run of a contender, measured from outside."""

    seconds: float
    """Duration of the whole command."""

    ends: list[tuple[float, float | None]]
    """Second at which each trial ended, and its score."""

    memory: list[tuple[float, float]]
    """Seconds, and MiB at that time."""

    @property
    def steady(self) -> float:
        """Seconds per trial, from the first one's end to the last one's."""
        times = [moment for moment, _ in self.ends]
        return (times[-1] - times[0]) / (len(times) - 1)

    @property
    def peak(self) -> float:
        return max(mebibytes for _, mebibytes in self.memory)

    @property
    def growth(self) -> float | None:
        """MiB per trial: the slope of the peaks between ends of trials; None if fewer than five are known."""
        times = [moment for moment, _ in self.ends][WARM_TRIALS - 1 :]
        highest = [
            max((size for at, size in self.memory if a < at <= b), default=0.0) for a, b in itertools.pairwise(times)
        ]
        highest = [size for size in highest if size]
        return float(np.polyfit(range(len(highest)), highest, 1)[0]) if len(highest) >= 5 else None

    @property
    def best(self) -> float:
        return max((score for _, score in self.ends if score is not None), default=float("nan"))

    @property
    def mean(self) -> float:
        """Mean of all trials' best scores, which should be equal for all contenders at equal work."""
        return statistics.fmean(score for _, score in self.ends if score is not None)

    def reached(self, score: float) -> float | None:
        """Returns the seconds until a trial with at least that score ended, or None if none did."""
        return next((moment for moment, value in self.ends if value is not None and value >= score), None)


def main() -> None:
    words: argparse.ArgumentParser = runpy.run_path(str(SEARCHES))["parser"]()
    words.description = __doc__
    words.add_argument("--rounds", type=int, default=1)
    words.add_argument("--only", help="Run only these contenders, separated by commas.")
    arguments = arguments_of(words)
    shared = _shared_words(arguments)
    names = arguments.only.split(",") if arguments.only else list(PRUNING if arguments.pruning else EQUAL)
    if "ray" in names and not all(map(importlib.util.find_spec, ("ray", "fsspec"))):
        names.remove("ray")
        print('ray is left out because it is not installed: uv pip install "ray[tune]"', flush=True)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names if number % 2 == 0 else names[::-1]:
            runs[name].append(_watched(name, shared))
            print(f"round {number + 1}: {_line(name, runs[name][-1:])}", flush=True)
    tell(_medians(runs), _ratios(runs))


def _shared_words(arguments: argparse.Namespace) -> list[str]:
    words = ["--dataset", arguments.dataset, "--trials", str(arguments.trials), "--epochs", str(arguments.epochs)]
    for name in ("data", "limit", "image_size"):
        if (value := getattr(arguments, name)) is not None:
            value = Path(value).resolve() if name == "data" else value
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words + ["--pruning"] * arguments.pruning


def _watched(name: str, words: list[str]) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        events, log = Path(folder) / "events.jsonl", Path(folder) / "log.txt"
        environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "CUDA_VISIBLE_DEVICES": ""}
        began, memory = time.time(), []
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(SEARCHES), name, "--events", str(events), *words],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            while process.poll() is None:
                memory.append((time.time() - began, _tree_mebibytes(process.pid)))
                time.sleep(LOOK_EVERY_S)
        seconds = time.time() - began
        if process.returncode:
            raise SystemExit(f"{name} failed:\n{log.read_text()[-4000:]}")
        lines = [json.loads(line) for line in events.read_text().splitlines()]
    return Run(seconds, [(line["time"] - began, line["score"]) for line in lines], memory)


def _tree_mebibytes(root: int) -> float:
    """Returns the memory of a process and all its descendants, each shared page divided among those that share it."""
    total = 0
    try:
        processes = [psutil.Process(root), *psutil.Process(root).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in processes:
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it has just ended
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


def _line(name: str, runs: list[Run]) -> str:
    def middle(values: list[float]) -> float:
        return statistics.median(values)

    growth = [run.growth for run in runs if run.growth is not None]
    return (
        f"{name:22} {middle([run.seconds for run in runs]):6.1f} s in all  "
        f"{middle([run.steady for run in runs]):6.2f} s per trial after the first  {len(runs[0].ends)} trials  "
        f"peak {middle([run.peak for run in runs]):5.0f} MiB  "
        f"growth {f'{middle(growth):+.1f} MiB per trial' if growth else 'not measured'}  "
        f"best {middle([run.best for run in runs]):.4f}  mean {middle([run.mean for run in runs]):.4f}"
    )


def _medians(runs: dict[str, list[Run]]) -> Table:
    table = Table(
        "peers",
        Column("what", ""),
        Column("trials", "trials"),
        Column("seconds", "in all", "{:.1f} s"),
        Column("steady", "per trial after the first", "{:.2f} s"),
        Column("peak", "peak memory", "{:.0f} MiB"),
        Column("growth", "growth per trial", "{:+.1f} MiB"),
        Column("best", "best accuracy", "{:.4f}"),
        Column("mean", "mean of the trials", "{:.4f}"),
        Column("rounds", "rounds"),
    )
    for name, own in runs.items():
        growth = [run.growth for run in own if run.growth is not None]
        table.add(
            what=TITLES[name],
            trials=len(own[0].ends),
            seconds=statistics.median(run.seconds for run in own),
            steady=statistics.median(run.steady for run in own),
            peak=statistics.median(run.peak for run in own),
            growth=statistics.median(growth) if growth else None,
            best=statistics.median(run.best for run in own),
            mean=statistics.median(run.mean for run in own),
            rounds=len(own),
        )
    return table


def _ratios(runs: dict[str, list[Run]]) -> Table:
    """Returns Apertune's share of the others' times, as medians of the rounds' ratios."""
    table = Table(
        "peers-ratios",
        Column("what", "Apertune's share of the time of"),
        Column("trials", "trials"),
        Column("seconds", "in all", "{:.2f}"),
        Column("steady", "after the first trial", "{:.2f}"),
        Column("reached", "its best score reached in"),
        Column("share", "in this share of the time in which it did", "{:.2f}"),
    )
    ours = runs.get("apertune", [])
    for name, theirs in runs.items():
        if not ours or name == "apertune":
            continue
        pairs = list(zip(ours, theirs, strict=True))
        reached = [(a.reached(b.best), b.reached(b.best)) for a, b in pairs]
        shares = [first / second for first, second in reached if first is not None and second]
        table.add(
            what=TITLES[name],
            trials=len(theirs[0].ends),
            seconds=statistics.median(a.seconds / b.seconds for a, b in pairs),
            steady=statistics.median(a.steady / b.steady for a, b in pairs),
            reached=f"{len(shares)} of {len(reached)} rounds",
            share=statistics.median(shares) if shares else None,
        )
    return table


if __name__ == "__main__":
    main()
