"""The way back of a trial's files from another machine to where the supervisor looks for them."""

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
    """Events, with the changes in the trial's folder before them."""

    events: tuple[TrialEvent, ...]
    """In order; at least one."""

    change: FolderChange = field(default_factory=FolderChange)
    log: bytes = b""
    """New bytes of the worker's log."""

    @property
    def ended(self) -> bool:
        return isinstance(self.events[-1], TrialResult | TrialLost)


def put_back(batch: Batch, task: TrialTask, rows: Rows, log: Path) -> None:
    """Writes the files of a batch; may be repeated.

    Args:
        batch: Events and changes.
        task: The trial's task, as this machine has it.
        rows: Rows of the data that was shipped.
        log: The file to add the worker's log to.

    Raises:
        OSError: The disk is full.
    """
    write_change(task.folder, batch.change)
    if batch.ended:
        with contextlib.suppress(FileNotFoundError):
            _speak_of_this_machine(task, rows)
    if batch.log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(batch.log)


def _speak_of_this_machine(task: TrialTask, rows: Rows) -> None:
    """Points the evaluation at this machine's copy of the data, from which plots are drawn."""
    folder = TrialFolder(task.folder).artifacts
    evaluation = load_evaluation(folder)
    if evaluation.view.folder != task.view.folder:
        view = moved_back(evaluation.view, task.view.folder, rows)
        save_evaluation(folder, replace(evaluation, view=view))
