"""Results of finished trainings on disk, so that what is cut short goes on behind them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ..messages import TrialResult

# A trial's last whole epoch; `checkpoint.py` writes it.
CHECKPOINT_FILE = "checkpoint.npz"


def note_result(path: Path, result: TrialResult) -> None:
    """Writes a result beside its place and renames it there, so that what is noted is whole."""
    unfinished = path.with_name(f"{path.name}.writing")
    unfinished.write_text(json.dumps(asdict(result)), encoding="utf-8")
    unfinished.replace(path)


def noted_result(path: Path) -> TrialResult | None:
    """None where there is none that can be read."""
    try:
        return TrialResult(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
