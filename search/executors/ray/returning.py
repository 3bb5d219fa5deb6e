"""What a trial on another machine sends back, put where the supervisor looks for it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from ....datasets.base import Rows
from ...evaluation.saved import load_evaluation, save_evaluation
from ...messages import TrialEvent, TrialLost, TrialResult, TrialTask
from ...trial_folder import TrialFolder
from .folder_mirror import FolderChange, write_change
from .shipping import moved_back


@dataclass(frozen=True)
class Batch:
    """Events in order, and what changed in the trial's folder before them. log: new bytes of the worker's log."""

    events: tuple[TrialEvent, ...]
    change: FolderChange = field(default_factory=FolderChange)
    log: bytes = b""

    @property
    def ended(self) -> bool:
        return isinstance(self.events[-1], TrialResult | TrialLost)


def put_back(batch: Batch, task: TrialTask, rows: Rows, log: Path) -> None:
    """Writes what came. rows: of the data that was shipped. Raises OSError when the disk is full; may be repeated."""
    write_change(task.folder, batch.change)
    if batch.ended:
        with contextlib.suppress(FileNotFoundError):
            _speak_of_this_machine(task, rows)
    if batch.log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(batch.log)


def _speak_of_this_machine(task: TrialTask, rows: Rows) -> None:
    """Plots are drawn here, from this machine's copy of the data."""
    folder = TrialFolder(task.folder).artifacts
    evaluation = load_evaluation(folder)
    if evaluation.view.folder != task.view.folder:
        view = moved_back(evaluation.view, task.view.folder, rows)
        save_evaluation(folder, replace(evaluation, view=view))
