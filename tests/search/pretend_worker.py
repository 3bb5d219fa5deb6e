"""A worker that only pretends to train, as quick to start as Python is: 'rate' is the accuracy of every epoch.

Run by the tests in place of the real one. It writes a checkpoint after each epoch, goes on from it, and sleeps
`APERTUNE_PRETEND_SECONDS` an epoch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

from apertune.search.messages import (
    Discovered,
    DiscoveryTask,
    EpochEnded,
    StopRequest,
    TrialEvent,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from apertune.search.worker import serve
from apertune.spaces.parameters import Parameter, SearchSpace

SPACE = SearchSpace((Parameter("rate", "float", 0.5, low=0.0, high=1.0, sampling="linear"),))


def pretend(
    task: TrialTask, emit: Callable[[TrialEvent], None], stop_requested: Callable[[], StopRequest | None]
) -> TrialResult:
    task.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = task.folder / "checkpoint.npz"
    done = json.loads(checkpoint.read_text()) if checkpoint.exists() else 0
    rate = float(task.values["rate"])
    emit(TrialStarted(task.number, 1, done + 1))
    for epoch in range(done + 1, task.epochs + 1):
        time.sleep(float(os.environ.get("APERTUNE_PRETEND_SECONDS", "0.01")))
        with (task.folder / "epochs.txt").open("a") as file:
            file.write(f"{epoch}\n")
        written = checkpoint.with_suffix(".writing")
        written.write_text(json.dumps(epoch))
        written.replace(checkpoint)
        emit(EpochEnded(task.number, epoch, {"val_accuracy": rate}, 0.01, int(time.time() * 1000)))
        if (request := stop_requested()) is not None:
            return TrialResult(task.number, request.outcome, request.reason, value=rate, epochs=epoch)
    return TrialResult(task.number, "complete", value=rate, metrics={"accuracy": rate}, epochs=task.epochs)


def discover(task: DiscoveryTask) -> Discovered:
    return Discovered(SPACE)


if __name__ == "__main__":
    serve(pretend, discover)
