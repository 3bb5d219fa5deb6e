"""Runs a search whose workers only pretend to train: python pretend_search.py TRIALS WORKERS EPOCHS [CLUSTER]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from apertune.datasets import from_arrays
from apertune.search import SearchSettings, run
from apertune.search.engine.state import State
from apertune.search.executors.base import Executor
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.executors.ray.executor import RayExecutor
from apertune.search.messages import TrialResult

# Not from `programs`: a script of safe path does not see its neighbours.
PRETEND_WORKER = (sys.executable, str(Path(__file__).with_name("pretend_worker.py")))


class PrintedLines:
    def update(self, state: State) -> None:
        pass

    def trial_ended(self, result: TrialResult, state: State) -> None:
        print(f"ended {result.number} {result.outcome}", flush=True)

    def say(self, line: str) -> None:
        print(line, flush=True)


def main() -> None:
    trials, workers, epochs = (int(word) for word in sys.argv[1:4])
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1), np.uint8)
    dataset = from_arrays("pretended", images, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))
    executor: Executor = LocalExecutor(worker_environments(workers), Path("logs"), command=PRETEND_WORKER)
    if len(sys.argv) > 4:
        executor = RayExecutor(sys.argv[4], Path("logs"), workers=workers, command=PRETEND_WORKER)
    settings = SearchSettings(
        trials=trials, epochs=epochs, objective="accuracy", pruner="none", sampler="random", study="pretended"
    )
    result = run(dataset, settings, executor=executor, display=PrintedLines())
    print(f"finished {result.finished} unsent {result.unsent}", flush=True)
    if result.signal:
        # As the command does.
        sys.exit(128 + result.signal)


if __name__ == "__main__":
    main()
