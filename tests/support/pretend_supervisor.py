"""Supervises pretended trials, without MLflow's sender: python pretend_supervisor.py FOLDER TRIALS WORKERS EPOCHS.

As quick to start as Python is, so that a test can kill many. `APERTUNE_PRETEND_SUPERVISOR_KILL` names a step at which
it kills itself, once in that folder: "CALL before", "CALL after" or "CALL within", CALL one of STEPS. After `note`
the file of ended trials knows a trial that the database does not; within `put`, half a record is in the outbox.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from pretend_study import Bench
from programs import PRETEND_WORKER

from apertune.search.engine.trial_loop import TrialLoop
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.studies.study import Study
from apertune.search.studies.trial_records import RecordFile
from apertune.search.tracking.outbox import Outbox

STEPS: dict[str, tuple[type, str]] = {
    "ask": (Study, "ask"),
    "report": (Study, "report"),
    "tell": (Study, "tell"),
    "note": (RecordFile, "add"),
    "put": (Outbox, "put"),
    "put back": (TrialLoop, "_retry"),
}
# The calls at which a trial has the most to lose: the first ones belong to the start of the search.
AT_CALL = {"ask": 3, "report": 5, "tell": 2, "note": 2, "put": 8, "put back": 1}


def kill_at(step: str, folder: Path) -> None:
    """Has this process killed at a step, unless an earlier one was."""
    mark = folder / f"killed at {step}"
    if mark.exists():
        return
    call, _, when = step.rpartition(" ")
    owner, name = STEPS[call]
    whole, calls = getattr(owner, name), 0

    def cut(self: Any, *given: Any) -> Any:
        nonlocal calls
        calls += 1
        due = calls == AT_CALL[call]
        if due and when == "within":
            half_a_record(self.path)
        if due and when != "after":
            die(mark)
        answer = whole(self, *given)
        if due:
            die(mark)
        return answer

    setattr(owner, name, cut)


def half_a_record(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b'{"kind": "RunSt')


def die(mark: Path) -> None:
    mark.touch()
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder, (trials, workers, epochs) = Path(sys.argv[1]), (int(word) for word in sys.argv[2:5])
    bench = Bench(folder, epochs=epochs)
    if step := os.environ.get("APERTUNE_PRETEND_SUPERVISOR_KILL"):
        kill_at(step, folder)
    executor = LocalExecutor(worker_environments(workers), folder / "logs", command=PRETEND_WORKER)
    try:
        state = bench.run_with(executor, trials)
    finally:
        executor.close()
    for line in bench.display.lines:
        if "goes on" in line:
            print(line)
    print(f"finished {state.finished}", flush=True)


if __name__ == "__main__":
    main()
