"""Runs an apertune command that is killed at a step: python killed_at.py before|after MODULE:FUNCTION WORDS…

The step is the first call of the function, which may be a method (MODULE:CLASS.METHOD). The kill is SIGKILL, so
no cleanup runs.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any

from apertune.cli import main


def kill_at(when: str, place: str) -> None:
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    function = getattr(owner, name)

    def killed(*arguments: Any, **named: Any) -> None:
        if when == "after":
            function(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, killed)


if __name__ == "__main__":
    kill_at(sys.argv[1], sys.argv[2])
    sys.argv = ["apertune", *sys.argv[3:]]
    main()
