"""Follows whole searches of digits from the command to its end, and tells where their time goes.

    uv run python benchmarks/timeline.py [--trials 20] [--epochs 5] [--rounds 3] [--json]

Each search runs in a fresh folder, by the command `apertune search digits` with the defaults of everything else. Told
are medians, in seconds since the command began: the first trial's beginning, the first epoch's end, the last trial's
end, and the command's. Beside them stands one import of the framework in a process of its own, which no first epoch can
do without. The processor time is that of each kind of process, which a busy machine lengthens less than the rest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from measurements import Column, Table, arguments_of, tell

from apertune.search.executors.other_searches import SENDER, WORKER

LOOK_EVERY_S = 0.02
IMPORT = "import apertune.search.training.trial"
# Kinds of process by the module that they run.
KINDS = {
    WORKER: "workers",
    SENDER: "sender",
    "apertune.search.sending.drawing_helper": "drawing helper",
}
SUPERVISOR, OTHERS = "supervisor", "others"
GOALS = {"first_epoch": "an import and 2 s", "ending": "3 s"}


@dataclass
class Followed:
    """One search; seconds since its command began."""

    first_trial: float
    first_epoch: float
    last_trial: float
    end: float
    busy: dict[str, float]
    """Processor seconds by kind of process."""


class Processes(threading.Thread):
    """Adds up the processor time of a process and its descendants, while they live.

    Args:
        root: The process.
    """

    def __init__(self, root: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._busy: dict[tuple[int, float], tuple[str, float]] = {}

    def run(self) -> None:
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            try:
                self._look([self._root, *self._root.children(recursive=True)])
            except psutil.Error:
                return
            time.sleep(LOOK_EVERY_S)

    def _look(self, processes: Sequence[psutil.Process]) -> None:
        for process in processes:
            try:
                times, key = process.cpu_times(), (process.pid, process.create_time())
                kind = self._busy[key][0] if key in self._busy else OTHERS
                # Between its beginning and its program's, a process has its parent's command.
                kind = _kind(process, self._root) if kind == OTHERS else kind
            except psutil.Error:
                continue
            self._busy[key] = kind, times.user + times.system

    def busy(self) -> dict[str, float]:
        """Returns processor seconds by kind of process."""
        found: dict[str, float] = defaultdict(float)
        for kind, seconds in self._busy.values():
            found[kind] += seconds
        return dict(found)


def _kind(process: psutil.Process, root: psutil.Process) -> str:
    if process == root:
        return SUPERVISOR
    words = process.cmdline()
    return next((kind for module, kind in KINDS.items() if module in words), OTHERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = arguments_of(parser)
    imports: list[float] = []
    searches: list[Followed] = []
    for number in range(arguments.rounds):
        imports.append(import_seconds())
        searches.append(follow(arguments.trials, arguments.epochs))
        print(f"round {number + 1}: import {imports[-1]:.1f} s; {searches[-1]}", flush=True)
    tell(timeline(imports, searches), busy(searches))


def import_seconds() -> float:
    """Returns how long a worker's imports take where nothing else runs."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True)
    return time.monotonic() - began


def follow(trials: int, epochs: int) -> Followed:
    """Runs a search in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        began, clock = time.time(), time.monotonic()
        command = [sys.executable, "-m", "apertune", "search", "digits"]
        with subprocess.Popen(
            [*command, "--trials", str(trials), "--epochs", str(epochs)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            processes = Processes(psutil.Process(process.pid))
            processes.start()
            process.wait()
        end = time.monotonic() - clock
        if process.returncode != 0:
            raise SystemExit(f"the search ended with status {process.returncode}")
        first_trial, first_epoch, last_trial = (
            moment - began for moment in moments(Path(folder) / "mlflow" / "studies" / "digits-convnet")
        )
        return Followed(first_trial, first_epoch, last_trial, end, processes.busy())


def moments(study: Path) -> tuple[float, float, float]:
    """Returns the Unix times of the first trial's beginning, the first epoch's end and the last trial's end."""
    begun, epochs, ended = [], [], []
    for line in (study / "outbox.jsonl").read_text().splitlines():
        record = json.loads(line or "{}")
        of_trial = record.get("key", "").rpartition("-")[2].isdecimal()
        if of_trial and record["kind"] == "RunStarted":
            begun.append(record["time_ms"])
        elif of_trial and record["kind"] == "RunEnded":
            ended.append(record["time_ms"])
        elif of_trial and record["kind"] == "MetricsLogged":
            epochs += [moment for _, _, step, moment in record["points"] if step == 1]
    return min(begun) / 1000, min(epochs) / 1000, max(ended) / 1000


def timeline(imports: Sequence[float], searches: Sequence[Followed]) -> Table:
    """Returns the moments of the searches, medians."""
    table = Table("timeline", Column("what", ""), Column("seconds", "seconds", "{:.1f}"), Column("goal", "goal"))
    middle = statistics.median
    table.add(what="one import of the framework, alone", seconds=middle(imports))
    table.add(
        what="from the command to the first trial's beginning", seconds=middle(one.first_trial for one in searches)
    )
    table.add(
        what="to the first epoch's end",
        seconds=middle(one.first_epoch for one in searches),
        goal=GOALS["first_epoch"],
    )
    table.add(what="to the last trial's end", seconds=middle(one.last_trial for one in searches))
    table.add(what="to the command's end", seconds=middle(one.end for one in searches))
    table.add(
        what="from the last trial's end to the command's",
        seconds=middle(one.end - one.last_trial for one in searches),
        goal=GOALS["ending"],
    )
    return table


def busy(searches: Sequence[Followed]) -> Table:
    """Returns the processor time of the searches' processes, medians."""
    table = Table("timeline-busy", Column("what", "processes"), Column("seconds", "processor time", "{:.1f} s"))
    for kind in dict.fromkeys(kind for one in searches for kind in one.busy):
        table.add(what=kind, seconds=statistics.median(one.busy.get(kind, 0.0) for one in searches))
    return table


if __name__ == "__main__":
    main()
