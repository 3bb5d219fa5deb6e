"""Measures the memory of a search by process, and its growth with the number of trials, watched from outside.

    uv run python benchmarks/memory.py [--trials 50] [--workers 2] [--hours H] [--folder FOLDER] [--json]

Runs a search on scikit-learn's digits with a tiny network and one epoch per trial. Every half second adds up the memory
of its processes, shared pages divided among those that share them (PSS, Linux alone). Whenever a trial ends, notes the
resident memory of the supervisor and of its largest worker, and the time. With `--folder` the search and its notes stay
there, so that the same command goes on after `--hours`, a kill or a restart; `--trials` then counts those before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from measurements import Column, Table, arguments_of, tell

from apertune import datasets, search
from apertune.search.engine.state import NoDisplay, State
from apertune.search.executors.other_searches import SENDER, WORKER
from apertune.search.messages import TrialResult

SMALL = {"blocks": "1", "filters": "16", "convolutions": "1", "batch_size": "128"}
LOOK_EVERY_S = 0.5
# Trials at the beginning and at the end that are compared.
COMPARED = 25
KINDS = {WORKER: "worker", SENDER: "sender"}


class Watch(NoDisplay):
    """Notes resident memory in MiB, and the time in seconds, at the end of every trial."""

    def __init__(self, notes: Path) -> None:
        super().__init__()
        self._notes = notes

    def trial_ended(self, result: TrialResult, state: State) -> None:
        this, largest = psutil.Process(), 0.0
        for child in this.children():
            # A worker that is being replaced may end at this moment.
            with contextlib.suppress(psutil.Error):
                if WORKER in child.cmdline():
                    largest = max(largest, child.memory_info().rss / 2**20)
        noted = {"supervisor": this.memory_info().rss / 2**20, "worker": largest, "seconds": result.seconds}
        with self._notes.open("a") as file:
            file.write(f"{json.dumps(noted)}\n")


class Processes(threading.Thread):
    """Adds up the memory of a process and its children, and keeps the highest of each kind and of the sum, in MiB.

    Args:
        supervisor: The number of the process.
    """

    def __init__(self, supervisor: int) -> None:
        super().__init__(daemon=True)
        self._supervisor = supervisor
        self.highest: dict[str, float] = {}
        self.together = 0.0

    def run(self) -> None:
        while psutil.pid_exists(self._supervisor):
            with contextlib.suppress(psutil.Error):
                self._look()
            time.sleep(LOOK_EVERY_S)

    def _look(self) -> None:
        this, together = psutil.Process(self._supervisor), 0.0
        for process in (this, *this.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                megabytes = getattr(process.memory_full_info(), "pss", 0) / 2**20
                words = process.cmdline()
                kind = next((KINDS[word] for word in words if word in KINDS), "another")
                kind = "supervisor" if process.pid == this.pid else kind
                self.highest[kind] = max(self.highest.get(kind, 0.0), megabytes)
                together += megabytes
        self.together = max(self.together, together)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--hours", type=float, help="Stop after this time; the same command goes on.")
    parser.add_argument("--folder", type=Path, help="Keep the search and its notes here.")
    arguments = arguments_of(parser)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        notes = folder / "memory.jsonl"
        home = search.make_home({}, root=folder / "mlflow")
        settings = search.SearchSettings(
            trials=arguments.trials,
            hours=arguments.hours,
            epochs=1,
            workers=arguments.workers,
            pruner="none",
            fix=SMALL,
        )
        processes = Processes(os.getpid())
        processes.start()
        search.run(datasets.load("digits"), settings, home=home, display=Watch(notes))
        tell(
            *tables(
                [json.loads(line) for line in notes.read_text().splitlines()],
                {**processes.highest, "all together": processes.together},
            )
        )


def tables(noted: list[dict[str, float]], highest: Mapping[str, float]) -> tuple[Table, Table]:
    """Returns memory and time by trials, and the highest proportional set size by kind of process in MiB."""
    growth = Table(
        "memory",
        Column("process", ""),
        Column("after_5", "after 5 trials", "{:.0f} MiB"),
        Column("most", "at most", "{:.0f} MiB"),
        Column("end", "at the end", "{:.0f} MiB"),
        Column("trials", "trials", "{:,}"),
        Column("first", f"first {COMPARED} trials, median", "{:.2f} s"),
        Column("last", f"last {COMPARED}", "{:.2f} s"),
    )
    first, last = (statistics.median(one["seconds"] for one in part) for part in (noted[:COMPARED], noted[-COMPARED:]))
    for name, title in (("supervisor", "supervisor"), ("worker", "largest worker")):
        seen = [one[name] for one in noted]
        early = seen[min(4, len(seen) - 1)]
        growth.add(
            process=title, after_5=early, most=max(seen), end=seen[-1], trials=len(noted), first=first, last=last
        )
    by_process = Table("memory-by-process", Column("process", ""), Column("highest", "at most", "{:.0f} MiB"))
    for name, mebibytes in highest.items():
        by_process.add(process=name, highest=mebibytes)
    return growth, by_process


if __name__ == "__main__":
    main()
