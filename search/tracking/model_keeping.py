"""Which trials' models stay in MLflow, and how much room they take."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..messages import TrialResult
from ..studies.definition import Direction
from ..studies.trial_records import TrialRecord

BYTES_A_PARAMETER = 4
GIGABYTE = 1e9


class ModelKeeper:
    """Decides as trials end. most: as `most_models` has it. before: the study's trials that ended earlier."""

    def __init__(self, most: int | None, direction: Direction, before: Iterable[TrialRecord] = ()) -> None:
        self._most = most
        self._sign = -1.0 if direction == "maximize" else 1.0
        complete = [(trial.number, trial.value) for trial in before if trial.state == "complete"]
        self._kept = self._ranked([(self._sign * value, number) for number, value in complete if value is not None])

    def ended(self, result: TrialResult) -> tuple[bool, list[int]]:
        """Whether the trial's model is kept, and the trials whose models are not kept any longer because of it."""
        if self._most is None:
            return True, []
        if result.outcome != "complete" or result.value is None:
            return False, []
        ranked = sorted({*self._kept, (self._sign * result.value, result.number)})
        self._kept = self._ranked(ranked)
        fallen = [number for _, number in ranked[len(self._kept) :] if number != result.number]
        return (self._sign * result.value, result.number) in self._kept, fallen

    def _ranked(self, trials: list[tuple[float, int]]) -> list[tuple[float, int]]:
        return sorted(trials)[: self._most]


def room_needed(parameters: int, models: int, folder: Path) -> str:
    """One line on the room that so many models of so many parameters take, and what to do when the disk has less.

    folder: where they will lie; it need not exist yet.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free, needed = shutil.disk_usage(there).free, parameters * BYTES_A_PARAMETER * models
    size = f"{needed / GIGABYTE:.1f} GB" if needed >= GIGABYTE / 10 else f"{needed / 1e6:.1f} MB"
    count = f"{models} models" if models > 1 else "one model"
    line = f"Room for {count} of {parameters:,} parameters, as the first trial's: about {size}"
    if needed <= free:
        return f"{line}; {free / GIGABYTE:.0f} GB are free."
    return f"{line}, but only {free / GIGABYTE:.1f} GB are free; keep fewer with --keep-models best:3."
