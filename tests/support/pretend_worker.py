"""A worker that only pretends to train, as quick to start as Python is: 'rate' is the accuracy of every epoch.

Run by the tests in place of the real one. It writes a checkpoint after each epoch, goes on from it, and sleeps
`APERTUNE_PRETEND_SECONDS` per epoch. `APERTUNE_PRETEND_KILL` names a step at which it kills itself, once per trial;
`APERTUNE_PRETEND_GREEDY` the trial that takes all the memory there is; `APERTUNE_PRETEND_CLOCK` a file with the seconds
by which its clock is wrong; `APERTUNE_PRETEND_OUTCOMES` how trials end, from the first on, separated by spaces: an
outcome or `over_limit`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from apertune.search.messages import (
    Discovered,
    DiscoveryTask,
    EpochEnded,
    Outcome,
    StopRequest,
    TrialEvent,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from apertune.search.training.worker import serve
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

SPACE = SearchSpace((Parameter("rate", "float", 0.5, low=0.0, high=1.0, sampling="linear"),))


def pretend(
    task: TrialTask, emit: Callable[[TrialEvent], None], stop_requested: Callable[[], StopRequest | None]
) -> TrialResult:
    task.folder.mkdir(parents=True, exist_ok=True)
    die_at("start", task.folder)
    if os.environ.get("APERTUNE_PRETEND_GREEDY") == str(task.number):
        take_all_memory()
    checkpoint = task.folder / "checkpoint.npz"
    told = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
    rate = float(task.values["rate"])
    if rate > task.limits.get("rate", 1.0):
        return TrialResult(task.number, "infeasible", "over its limit", cost={"rate": rate}, over_limit=True)
    if (result := told_outcome(task.number)) is not None:
        return result
    emit(TrialStarted(task.number, 1, len(told) + 1))
    for epoch, time_ms in enumerate(told, 1):
        emit(EpochEnded(task.number, epoch, {"val_accuracy": rate}, 0.01, time_ms))
    for epoch in range(len(told) + 1, task.epochs + 1):
        time.sleep(float(os.environ.get("APERTUNE_PRETEND_SECONDS", "0.01")))
        die_at("epoch", task.folder)
        with (task.folder / "epochs.txt").open("a") as file:
            file.write(f"{epoch}\n")
        written = checkpoint.with_suffix(".writing")
        told.append(int(time.time() * 1000))
        written.write_text(json.dumps(told))
        die_at("checkpoint", task.folder)
        written.replace(checkpoint)
        die_at("report", task.folder)
        emit(EpochEnded(task.number, epoch, {"val_accuracy": rate}, 0.01, told[-1]))
        if (request := stop_requested()) is not None:
            return TrialResult(task.number, request.outcome, request.reason, value=rate, epochs=epoch)
    die_at("result", task.folder)
    return TrialResult(task.number, "complete", value=rate, metrics={"accuracy": rate}, epochs=task.epochs)


def told_outcome(number: int) -> TrialResult | None:
    """Returns the result of a trial that is to end without any training, or None for one that is to train."""
    outcomes = os.environ.get("APERTUNE_PRETEND_OUTCOMES", "").split()
    if number >= len(outcomes) or outcomes[number] == "complete":
        return None
    if outcomes[number] == "over_limit":
        return TrialResult(number, "infeasible", "over its limit", cost={"rate": 1.0}, over_limit=True)
    return TrialResult(number, cast("Outcome", outcomes[number]), f"reason of trial {number}")


def die_at(step: str, folder: Path) -> None:
    """Ends this process as `kill -9` does if it is to die at this step; only once per folder."""
    mark = folder / f"killed at {step}"
    if os.environ.get("APERTUNE_PRETEND_KILL") == step and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def take_all_memory() -> None:
    taken = []
    while True:
        taken.append(bytearray(os.urandom(2**20)))


def set_clock(file: Path) -> None:
    """Makes `time.time` wrong by the seconds in the file from now on."""
    right = time.time
    time.time = lambda: right() + float(file.read_text())


def discover(task: DiscoveryTask) -> Discovered:
    return Discovered(SPACE)


if __name__ == "__main__":
    if wrong := os.environ.get("APERTUNE_PRETEND_CLOCK"):
        set_clock(Path(wrong))
    print(f"this is {os.getpid()}", flush=True)
    serve(pretend, discover)
