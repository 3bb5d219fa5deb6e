"""Sends the outbox to the tracking server, in a process beside the search, and draws the plots.

The supervisor starts it as `python -m apertune.search.sending.sender OUTBOX ROOT`, ROOT as in `Home`, with the
addresses of tracking server and studies in the environment, where no process list shows their passwords. The line
`finish` on standard input asks it to send everything and then to end. If the input closes without that line, the
supervisor is gone, and the sender ends at once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ...files.private import OWNER_ALONE
from ...logs import log_to_standard_error
from ...text import named_line
from ..settings import Home
from ..tracking.outbox import Progress, merged, read_progress, unsent, write_progress
from ..tracking.records import FilesLogged, Record, StudyChanged, Tracker
from .drawing import draw_evaluation, draw_study, is_drawn
from .drawing_helper import DrawingHelper

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.3
LONGEST_PAUSE_S = 20.0
RECORDS_AT_ONCE = 200
# With fewer to draw, a second process takes longer to start than it saves.
EVALUATIONS_TO_SHARE = 4
# Gives training precedence where processors are few.
NICENESS = 5
URI_VARIABLE = "APERTUNE_TRACKING_URI"
STORAGE_VARIABLE = "APERTUNE_STORAGE"


class Sender:
    """Applies the outbox's records in order, and notes its progress so that a restart continues there.

    Args:
        outbox: The outbox file.
        tracker: Applies the records.
        is_refused: Tells whether an error means that the server will never take a record, which is then skipped and
            counted.
        home: The home of the studies to draw; None to draw none.
    """

    def __init__(
        self, outbox: Path, tracker: Tracker, is_refused: Callable[[Exception], bool], home: Home | None = None
    ) -> None:
        self._outbox = outbox
        self._tracker = tracker
        self._is_refused = is_refused
        self._home = home
        self._progress = read_progress(outbox)
        self._helper = DrawingHelper()

    def send(self) -> bool:
        """Sends what is unsent; returns whether all was taken. If not, the progress file says why."""
        while part := self._next_part():
            taken = self._progress.offset
            self._share_drawing([record for record, _ in part])
            try:
                for record, offset in merged(part):
                    self._apply(record)
                    taken = offset
            except Exception as error:
                self._note(replace(self._progress, offset=taken, problem=named_line(error)))
                return False
            self._note(replace(self._progress, offset=part[-1][1], problem=""))
        return True

    def _next_part(self) -> list[tuple[Record | None, int]]:
        part = []
        for entry in unsent(self._outbox, self._progress.offset):
            part.append(entry)
            if len(part) == RECORDS_AT_ONCE:
                break
        return part

    def _apply(self, record: Record) -> None:
        if isinstance(record, StudyChanged):
            self._send_study(record)
        else:
            if isinstance(record, FilesLogged) and not self._helper.has_drawn(folder := Path(record.folder)):
                draw_evaluation(folder)
            self._tell(record)

    def _share_drawing(self, records: Sequence[Record | None]) -> None:
        """Hands every second evaluation to a second process if several wait, as they do after short trials."""
        folders = [Path(record.folder) for record in records if isinstance(record, FilesLogged)]
        waiting = [folder for folder in folders if not is_drawn(folder)]
        if len(waiting) >= EVALUATIONS_TO_SHARE:
            self._helper.hand_over(waiting[1::2])

    def close(self) -> None:
        """Ends the second process, if it was started."""
        self._helper.close()

    def _send_study(self, record: StudyChanged) -> None:
        if self._home is None:
            return
        # The report reads the identifiers of runs from the noted progress.
        self._note(self._progress)
        with tempfile.TemporaryDirectory() as folder:
            draw_study(self._home, record.study, Path(folder), with_report=record.ended)
            self._tell(FilesLogged(record.key, folder))

    def _tell(self, record: Record) -> None:
        try:
            self._tracker.apply(record)
        except Exception as error:
            if not self._is_refused(error):
                raise
            self._progress = replace(self._progress, refused=self._progress.refused + 1)
            logger.error(
                "the tracking server refused %s of %s: %s", type(record).__name__, record.key, named_line(error)
            )

    def _note(self, progress: Progress) -> None:
        self._progress = replace(progress, run_ids={**progress.run_ids, **self._tracker.run_ids()})
        try:
            write_progress(self._outbox, self._progress)
        except OSError as error:
            # A restart sends the same records again, which has no further effect.
            logger.warning("the progress of sending to MLflow cannot be noted: %s", error)


def main() -> None:
    """Sends until everything is sent after the line `finish`, or standard input closes."""
    from ..tracking.mlflow_tracker import MlflowTracker, is_refused

    log_to_standard_error()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    os.umask(OWNER_ALONE)
    home = Home(Path(sys.argv[2]), os.environ[URI_VARIABLE], os.environ[STORAGE_VARIABLE])
    tracker = MlflowTracker(home.tracking_uri, home.artifacts)
    sender = Sender(Path(sys.argv[1]), tracker, is_refused, home)
    finish = threading.Event()
    threading.Thread(target=_listen, args=(finish,), daemon=True).start()
    pause = LOOK_EVERY_S
    while True:
        finishing = finish.is_set()
        sent = sender.send()
        if sent and finishing:
            sender.close()
            return
        pause = LOOK_EVERY_S if sent else min(pause * 2, LONGEST_PAUSE_S)
        if finishing:
            time.sleep(LOOK_EVERY_S)
        else:
            finish.wait(pause)


def _listen(finish: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "finish":
            finish.set()
    if not finish.is_set():
        os._exit(0)


if __name__ == "__main__":
    main()
