"""Measures how long a trial stands still when its worker is killed, with and without a spare worker.

    uv run python benchmarks/replacement.py [--kills 5]

One real worker trains a small network on digits and is killed during its training, alternately with and without a
spare. Prints the time until the trial trains again, and what a spare costs: memory (resident, shared pages included),
and processor time at its start.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import psutil
from measurements import Column, Table, arguments_of, tell

from apertune import datasets
from apertune.search.executors import devices
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.messages import DiscoveryTask, SpaceReference, TrialLost, TrialStarted, TrialTask

# Longer than the imports, shorter than the training.
SETTLED_S = 12.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=5, help="Kill this many workers with a spare, and as many without."
    )
    kills = arguments_of(parser).kills
    memory = devices.memory_mb
    waits: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(kills):
        for has_spare in (True, False):
            devices.memory_mb = memory if has_spare else lambda: (0.0, 0.0)
            waits[has_spare].append(stands_still())
            print(f"{'with' if has_spare else 'without'} a spare: {waits[has_spare][-1]:.2f} s", flush=True)
    table = Table(
        "replacement",
        Column("what", "a killed worker's trial trains again"),
        Column("median", "after (median)", "{:.2f} s"),
        Column("waits", "each", "{:.2f}"),
    )
    for has_spare, words in ((True, "with a spare worker"), (False, "without")):
        table.add(what=words, median=statistics.median(waits[has_spare]), waits=waits[has_spare])
    tell(table)


def stands_still() -> float:
    """Returns the seconds from a kill of the worker to the moment when its trial trains again."""
    with tempfile.TemporaryDirectory() as folder:
        executor = LocalExecutor(worker_environments(1), Path(folder) / "logs")
        try:
            executor.start()
            view, space = datasets.load("digits").training_view(), SpaceReference("convnet")
            searched = executor.discover(DiscoveryTask(view, space)).search_space
            task = TrialTask(
                0, view, space, searched, searched.defaults(), 0, 500, None, "accuracy", Path(folder) / "trial"
            )
            until(executor, task, TrialStarted)
            executor.kill(0, "for the first time")
            # A spare is kept from the second trial on.
            wait_for(executor, TrialLost)
            until(executor, task, TrialStarted)
            time.sleep(SETTLED_S)
            tell_of_spare(executor)
            began = time.perf_counter()
            executor.kill(0, "for the second time")
            wait_for(executor, TrialLost)
            until(executor, task, TrialStarted)
            return time.perf_counter() - began
        finally:
            executor.close()


def until(executor: LocalExecutor, task: TrialTask, kind: type) -> None:
    executor.submit(task)
    wait_for(executor, kind)


def wait_for(executor: LocalExecutor, kind: type) -> None:
    while not any(isinstance(event, kind) for event in executor.wait(1.0)):
        pass


def tell_of_spare(executor: LocalExecutor) -> None:
    busy = set(executor.process_ids().values())
    for child in psutil.Process().children():
        if child.pid not in busy and child.is_running():
            used = child.cpu_times()
            resident = child.memory_info().rss / 2**20
            print(f"  a spare: {resident:.0f} MiB, {used.user + used.system:.1f} s of a processor")


if __name__ == "__main__":
    main()
