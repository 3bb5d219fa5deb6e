"""The choice of the trials whose models stay in MLflow, and the disk space that they take."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ...text import counted
from ..evaluation.direction import Direction
from ..messages import TrialResult
from ..studies.trial_records import TrialRecord

BYTES_PER_PARAMETER = 4
GIGABYTE = 1e9


class ModelKeeper:
    """Decides, as trials end, whose models stay.

    Args:
        most: How many models may stay; None for all.
        direction: The objective's direction.
        before: The study's trials that ended earlier.
    """

    def __init__(self, most: int | None, direction: Direction, before: Iterable[TrialRecord] = ()) -> None:
        self._most = most
        self._loss = direction.loss
        complete = [(trial.number, trial.value) for trial in before if trial.state == "complete"]
        self._kept = self._ranked([(self._loss(value), number) for number, value in complete if value is not None])

    def ended(self, result: TrialResult) -> tuple[bool, list[int]]:
        """Returns whether the trial's model stays, and the numbers of the trials whose models go in its place."""
        if self._most is None:
            return True, []
        if result.outcome != "complete" or result.value is None:
            return False, []
        ranked = sorted({*self._kept, (self._loss(result.value), result.number)})
        self._kept = self._ranked(ranked)
        fallen = [number for _, number in ranked[len(self._kept) :] if number != result.number]
        return (self._loss(result.value), result.number) in self._kept, fallen

    def _ranked(self, trials: list[tuple[float, int]]) -> list[tuple[float, int]]:
        return sorted(trials)[: self._most]


def room_needed(parameters: int, models: int, folder: Path) -> str:
    """Returns one line on the disk space that models take, and what to do if there is less.

    Args:
        parameters: Parameters per model.
        models: Number of models.
        folder: Where they will be stored; it need not exist yet.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free, needed = shutil.disk_usage(there).free, parameters * BYTES_PER_PARAMETER * models
    size = f"{needed / GIGABYTE:.1f} GB" if needed >= GIGABYTE / 10 else f"{needed / 1e6:.1f} MB"
    what = f"{counted(models, 'model')} of {counted(parameters, 'parameter')}, as the first trial's"
    if needed <= free:
        return f"Room for {what}: about {size}; {free / GIGABYTE:.0f} GB are free."
    return (
        f"Room for {what}: about {size}, but only {free / GIGABYTE:.1f} GB are free; "
        "keep fewer with --keep-models best:3."
    )
