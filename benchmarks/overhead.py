"""Measures what a search costs over a bare Keras loop: both train the same configurations, in turn, one worker each.

    uv run python benchmarks/overhead.py [--data fer2013.csv] [--trials 3] [--rounds 3] [--epochs 4] [--limit 2000]

The bare loop builds, compiles and fits the candidates on arrays in memory and logs nothing; the search logs everything.
Both are timed from the first trial's start to the last one's end, which leaves out the start of workers. Without --data
the images are scikit-learn's digits, enlarged to 32x32 so that training takes a while.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measurements import Column, Table, arguments_of, tell

SPACE = "convnet"
FIXED = {"filters": "16", "convolutions": "1", "augmentation": "none", "convolution": "plain", "kernel_size": "3"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="Read FER2013 from this fer2013.csv; without it, use digits.")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--limit", type=int, default=2000)
    parser.add_argument("--child", choices=("bare", "search"))
    arguments = arguments_of(parser)
    if arguments.child:
        print(json.dumps(_bare(arguments) if arguments.child == "bare" else _search(arguments)))
        return
    measured: dict[str, list[dict[str, float]]] = {"bare": [], "search": []}
    for round_number in range(arguments.rounds):
        for kind in ("bare", "search") if round_number % 2 == 0 else ("search", "bare"):
            measured[kind].append(_child(kind, sys.argv[1:]))
            print(f"round {round_number + 1} {kind}: {measured[kind][-1]['seconds']:.1f} s", flush=True)
    table = Table(
        "overhead",
        Column("what", ""),
        Column("seconds", "seconds of each round", "{:.1f}"),
        Column("per_trial", "median per trial", "{:.1f} s"),
        Column("ratio", "median of the rounds' ratios", "{:.2f}"),
    )
    medians = {kind: statistics.median(entry["seconds"] for entry in entries) for kind, entries in measured.items()}
    ratios = [s["seconds"] / b["seconds"] for s, b in zip(measured["search"], measured["bare"], strict=True)]
    for kind, name in (("bare", "bare loop"), ("search", "search")):
        seconds = [entry["seconds"] for entry in measured[kind]]
        ratio = statistics.median(ratios) if kind == "search" else None
        table.add(what=name, seconds=seconds, per_trial=medians[kind] / arguments.trials, ratio=ratio)
    tell(table)


def _child(kind: str, words: list[str]) -> dict[str, float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--child", kind, *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def _dataset(arguments: argparse.Namespace):
    from apertune import datasets

    if arguments.data:
        data = Path(arguments.data)
        return datasets.load("fer2013", data, datasets.LoadSettings(limit=arguments.limit))
    return datasets.load("digits", settings=datasets.LoadSettings(image_size=32))


def _configurations(space, count: int) -> list[dict]:
    """Returns the configurations for both, drawn by the search's sampler without a study."""
    import optuna

    from apertune.search.strategies.translation import suggest

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [suggest(study.ask(), space) for _ in range(count)]


def _bare(arguments: argparse.Namespace) -> dict[str, float]:
    import keras

    from apertune import spaces

    view = _dataset(arguments).training_view()
    space = spaces.load(SPACE, view.spec())
    narrowed = spaces.narrow(spaces.discover(space), FIXED)
    images, targets = view.images("train"), view.targets("train")
    validation = (view.images("validation"), view.targets("validation"))
    configurations = _configurations(narrowed, arguments.trials)
    began = time.monotonic()
    for values in configurations:
        candidate = space.candidate(spaces.hyperparameters(narrowed, values), epochs=arguments.epochs, seed=0)
        candidate.network.compile(candidate.optimizer, candidate.loss, metrics=["accuracy"])
        candidate.network.fit(
            images,
            targets,
            batch_size=candidate.batch_size,
            epochs=arguments.epochs,
            validation_data=validation,
            verbose=0,
        )
        keras.utils.clear_session()
    return {"seconds": time.monotonic() - began}


def _search(arguments: argparse.Namespace) -> dict[str, float]:
    import optuna

    from apertune.search import SearchSettings
    from apertune.search.engine import launch, planning
    from apertune.search.engine.state import NoDisplay, State

    class Clock(NoDisplay):
        """Notes when the first trial is handed out and when the last one's end is known."""

        began = 0.0
        ended = 0.0

        def update(self, state: State) -> None:
            if state.running and not self.began:
                self.began = time.monotonic()
            if state.finished == state.target and not self.ended:
                self.ended = time.monotonic()

    # A random sampler with the bare loop's seed; the defaults, usually the first trial, are not enqueued.
    planning.make_sampler = lambda *_, **__: optuna.samplers.RandomSampler(seed=1)
    optuna.study.Study.enqueue_trial = lambda *_, **__: None  # type: ignore[method-assign]
    clock = Clock()
    settings = SearchSettings(
        trials=arguments.trials, epochs=arguments.epochs, patience=None, workers=1, pruner="none", fix=FIXED, gpus=None
    )
    launch.run(_dataset(arguments), settings, display=clock)
    return {"seconds": clock.ended - clock.began}


if __name__ == "__main__":
    main()
