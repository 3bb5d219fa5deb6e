"""Tells where a trial's processor time goes, for small and large images: the default of `convnet` on one thread.

    uv run python benchmarks/trial_profile.py [--epochs 3]
    uv run python benchmarks/trial_profile.py fer2013=fer2013.csv simpsons=simpsons_dataset folders=pets

Told is processor time, which other work on the machine lengthens less than time on the clock. Building takes the
network and what measures its cost; tracing is what the first epoch takes more than the others, mostly TensorFlow's
graphs; augmentation is what an epoch takes more with it than without; the end restores the best epoch's weights,
computes all metrics and saves model and evaluation.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measurements import Column, Table, arguments_of, tell

ONE_THREAD = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
SETS = {
    "digits": {},
    "fer2013": {"limit": 1500},
    "simpsons": {"limit": 1200, "image_size": 64},
    "folders": {"image_size": 96},
}


class Parts:
    """Adds up the processor time of functions, by the part of a trial that they are."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def watch(self, owner: Any, name: str, part: str) -> Callable[[], None]:
        """Counts the calls of a function until the returned one is called."""
        before = getattr(owner, name)

        def counted(*arguments: Any, **keywords: Any) -> Any:
            began = time.process_time()
            try:
                return before(*arguments, **keywords)
            finally:
                self.seconds[part].append(time.process_time() - began)

        setattr(owner, name, counted)
        return lambda: setattr(owner, name, before)


def profile(view: Any, epochs: int, **fixed: str) -> dict[str, float]:
    """Returns processor seconds by part of a trial."""
    from apertune import spaces
    from apertune.search.messages import EpochEnded, SpaceReference, TrialTask
    from apertune.search.training import epoch_monitor, fitting, trial

    space = spaces.discover(spaces.load("convnet", view.spec()))
    values = spaces.narrow(space, fixed).defaults()
    parts, epoch_ends = Parts(), []
    undo = [
        parts.watch(fitting.Fitting, "scores", "validation"),
        parts.watch(fitting.Fitting, "run", "training"),
        parts.watch(fitting.Fitting, "finish", "end"),
        parts.watch(epoch_monitor, "save_checkpoint", "checkpoint"),
    ]

    def hear(event: Any) -> None:
        if isinstance(event, EpochEnded):
            epoch_ends.append(time.process_time())

    try:
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            task = TrialTask(
                number=0,
                view=view,
                space=SpaceReference("convnet"),
                search_space=space,
                values=values,
                seed=0,
                epochs=epochs,
                patience=None,
                objective="accuracy",
                folder=Path(folder) / "trial",
                keep_model=True,
            )
            result = trial.run_trial(task, hear, lambda: None)
            whole = time.process_time() - began
    finally:
        for put_back in undo:
            put_back()
    if result.outcome != "complete":
        raise SystemExit(f"the trial is {result.outcome}: {result.reason}")
    training = sum(parts.seconds["training"])
    later = [end - before for before, end in itertools.pairwise(epoch_ends)]
    epoch = statistics.median(later)
    # The last call is that of the end, which knows the best epoch's answers.
    validation = statistics.median(parts.seconds["validation"][1:-1])
    return {
        "whole": whole,
        "build": whole - training - sum(parts.seconds["end"]),
        "tracing": training - epochs * epoch,
        "epoch": epoch - validation,
        "validation": validation,
        "end": sum(parts.seconds["end"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", metavar="ADAPTER=PATH", help="Profile these sets, too.")
    parser.add_argument("--epochs", type=int, default=3)
    arguments = arguments_of(parser)
    os.environ |= {**dict.fromkeys(ONE_THREAD, "1"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    from apertune import datasets

    table = Table(
        "trial-profile",
        Column("set", ""),
        Column("shape", "images"),
        Column("train", "to train on", "{:,}"),
        Column("validation_images", "to validate on", "{:,}"),
        Column("build", "build and close", "{:.2f} s"),
        Column("tracing", "tracing", "{:.2f} s"),
        Column("epoch", "an epoch's training", "{:.2f} s"),
        Column("augmentation", "of which augmentation", "{:.2f} s"),
        Column("validation", "an epoch's validation", "{:.2f} s"),
        Column("end", "end", "{:.2f} s"),
    )
    paths = {"digits": None, **dict(words.split("=", 1) for words in arguments.paths)}
    for name, path in paths.items():
        view = datasets.load(name, path, datasets.LoadSettings(**SETS.get(name, {}))).training_view()
        if name == "digits":
            # A process's first trial fills the framework's own caches.
            profile(view, 2)
        with_augmentation = profile(view, arguments.epochs)
        without = profile(view, arguments.epochs, augmentation="none")
        height, width, channels = view.image_shape
        table.add(
            set=name,
            shape=f"{height}x{width}, {'grey' if channels == 1 else 'colour'}",
            train=len(view.train),
            validation_images=len(view.validation),
            augmentation=max(0.0, with_augmentation["epoch"] - without["epoch"]),
            **{part: with_augmentation[part] for part in ("build", "tracing", "epoch", "validation", "end")},
        )
    tell(table)


if __name__ == "__main__":
    main()
