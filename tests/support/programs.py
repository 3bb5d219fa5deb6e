"""The programs beside this file that tests start, and the folder of the repository."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PRETEND_WORKER = (sys.executable, str(HERE / "pretend_worker.py"))
PRETEND_SUPERVISOR = (sys.executable, str(HERE / "pretend_supervisor.py"))
PRETEND_SEARCH = (sys.executable, str(HERE / "pretend_search.py"))
PRETEND_COMMAND = (sys.executable, str(HERE / "pretend_command.py"))
KILLED_AT = HERE / "killed_at.py"
