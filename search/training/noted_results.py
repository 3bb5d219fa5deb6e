"""Results of finished trainings on disk, so that what is cut short goes on behind them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..messages import EpochEnded, TrialResult

# A trial's last whole epoch; `checkpoint.py` writes it.
CHECKPOINT_FILE = "checkpoint.npz"


def note_result(path: Path, result: TrialResult, epochs: Sequence[EpochEnded] = ()) -> None:
    """Writes a result, and the epochs before it, beside its place and renames it there: what is noted is whole.

    Raises OSError when the disk is full; nothing is noted then.
    """
    unfinished = path.with_name(f"{path.name}.writing")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            json.dump({"result": asdict(result), "epochs": [asdict(event) for event in epochs]}, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def noted_result(path: Path) -> tuple[TrialResult, list[EpochEnded]] | None:
    """The result and its epochs; None where there is none that can be read."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        return TrialResult(**noted["result"]), [EpochEnded(**event) for event in noted["epochs"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None
