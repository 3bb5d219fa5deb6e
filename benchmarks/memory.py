"""Measures the growth of memory with the number of trials: a search of small trials, watched from outside.

    uv run python benchmarks/memory.py [--trials 50] [--workers 2]

Runs a search on scikit-learn's digits with a tiny network and one epoch per trial. Whenever a trial ends, notes the
resident memory of the supervisor and of its largest worker. Prints it after 5 trials, at its highest and at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path

import psutil
from measurements import Column, Table, arguments_of, tell

from apertune import datasets, search
from apertune.search.engine.state import NoDisplay, State
from apertune.search.messages import TrialResult

SMALL = {"blocks": "1", "filters": "16", "convolutions": "1", "batch_size": "128"}


class Watch(NoDisplay):
    """Notes resident memory in MiB at the end of every trial."""

    def __init__(self) -> None:
        super().__init__()
        self.supervisor: list[float] = []
        self.workers: list[float] = []

    def trial_ended(self, result: TrialResult, state: State) -> None:
        this, largest = psutil.Process(), 0.0
        self.supervisor.append(this.memory_info().rss / 2**20)
        for child in this.children():
            # A worker that is being replaced may end at this moment.
            with contextlib.suppress(psutil.Error):
                if "apertune.search.training.worker" in child.cmdline():
                    largest = max(largest, child.memory_info().rss / 2**20)
        self.workers.append(largest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    arguments = arguments_of(parser)
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        home = search.make_home({}, root=Path(folder))
        settings = search.SearchSettings(
            trials=arguments.trials, epochs=1, workers=arguments.workers, pruner="none", fix=SMALL
        )
        search.run(datasets.load("digits"), settings, home=home, display=watch)
    table = Table(
        "memory",
        Column("process", ""),
        Column("after_5", "after 5 trials", "{:.0f} MiB"),
        Column("most", "at most", "{:.0f} MiB"),
        Column("end", "at the end", "{:.0f} MiB"),
        Column("trials", "trials", "{:,}"),
    )
    for name, seen in (("supervisor", watch.supervisor), ("largest worker", watch.workers)):
        table.add(process=name, after_5=seen[4], most=max(seen[4:]), end=seen[-1], trials=len(seen))
    tell(table)


if __name__ == "__main__":
    main()
