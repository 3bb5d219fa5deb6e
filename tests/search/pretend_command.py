"""The command `apertune`, whose workers only pretend to train: python pretend_command.py WORDS…"""

from __future__ import annotations

import sys
from pathlib import Path

from apertune.cli import main
from apertune.search import launch
from apertune.search.executors.base import Executor
from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local import LocalExecutor
from apertune.search.settings import SearchSettings

PRETEND_WORKER = (sys.executable, str(Path(__file__).with_name("pretend_worker.py")))


def make_pretending(settings: SearchSettings, logs: Path) -> Executor:
    return LocalExecutor(worker_environments(settings.workers or 1), logs, command=PRETEND_WORKER)


if __name__ == "__main__":
    launch.make_executor = make_pretending
    main()
