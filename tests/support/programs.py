"""The programs and models beside this file, and the folder of the repository."""

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
# As version 0.1.0 saved it: in a trial's folder, and packaged for serving. Never to be saved anew.
SAVED_BEFORE = HERE / "saved_models" / "0.1.0"
