"""Results of finished trainings on disk, so that what is cut short goes on behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ...files.replacing import replacing
from ..messages import EpochEnded, TrialResult

# A trial's last whole epoch; `checkpoint.py` writes it.
CHECKPOINT_FILE = "checkpoint.npz"


def note_result(path: Path, result: TrialResult, epochs: Sequence[EpochEnded] = ()) -> None:
    """Notes a result, and the epochs before it. Raises OSError when the disk is full; nothing is noted then."""
    noted = {"result": asdict(result), "epochs": [asdict(event) for event in epochs]}
    with replacing(path, durable=True) as file:
        file.write(json.dumps(noted).encode())


def noted_result(path: Path) -> tuple[TrialResult, list[EpochEnded]] | None:
    """The result and its epochs; None where there is none that can be read."""
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        return TrialResult(**noted["result"]), [EpochEnded(**event) for event in noted["epochs"]]
    except (OSError, ValueError, TypeError, KeyError):
        return None
