"""The command `apertune`, whose workers only pretend to train: python pretend_command.py WORDS…"""

from __future__ import annotations

import sys
from pathlib import Path

from apertune.cli import main
from apertune.search.engine import launch
from apertune.search.executors.base import Executor
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.executors.places import PlaceSettings

# Not from `programs`: a script of safe path does not see its neighbours.
PRETEND_WORKER = (sys.executable, str(Path(__file__).with_name("pretend_worker.py")))


def make_pretending(
    places: PlaceSettings, logs: Path, *, at_most: int | None = None, only: int | None = None
) -> Executor:
    return LocalExecutor(worker_environments(places.workers or 1), logs, command=PRETEND_WORKER)


if __name__ == "__main__":
    launch.make_executor = make_pretending
    main()
