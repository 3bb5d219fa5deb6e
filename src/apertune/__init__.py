"""Apertune: hyperparameter search for image classifiers.

KerasTuner declares the search space, Optuna draws the trials, MLflow keeps their results. The rooms of the house are
`apertune.datasets`, `apertune.spaces` and `apertune.search`; import what you need from them.
"""

from __future__ import annotations

import sys
from pathlib import Path

if sys.platform == "win32":
    # Ahead of every other import: the package needs modules that Windows does not have, such as termios.
    _REFUSAL = "Apertune runs on Linux and macOS, not on Windows; install it in the Windows Subsystem for Linux (WSL)"
    # The script `apertune` and `python -m apertune`, whose first argument is "-m" until its module is found, import the
    # package before any code of theirs could catch an error, and would end with a traceback.
    if sys.argv and (sys.argv[0] == "-m" or Path(sys.argv[0]).stem.lower() == "apertune"):
        sys.stderr.write(f"Error: {_REFUSAL}\n")
        raise SystemExit(2)
    raise ImportError(_REFUSAL)

from .errors import ApertuneError, UserError

__all__ = ["ApertuneError", "UserError"]
