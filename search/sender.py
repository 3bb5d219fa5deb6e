"""Sends the outbox to the tracking server, beside the search, in a process of its own; it draws the plots, too.

Started by the supervisor as `python -m apertune.search.sender OUTBOX [ARTIFACTS]` with the tracking URI in the
environment, where no process list shows it. On standard input it is told `finish` (send what is there, then end);
when the input closes without that, its supervisor is gone and it ends at once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from .drawing import draw_evaluation
from .outbox import Progress, merged, read_progress, unsent, write_progress
from .tracking import FilesLogged, Record, Tracker

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.3
LONGEST_PAUSE_S = 20.0
RECORDS_AT_ONCE = 200
# Training goes first where processors are few.
NICENESS = 5
URI_VARIABLE = "APERTUNE_TRACKING_URI"


class Sender:
    """Applies the outbox's records in order and notes each step, so that a restart goes on where it was.

    is_refused: whether an error means that the server will never take the record; it is then passed over.
    """

    def __init__(self, outbox: Path, tracker: Tracker, is_refused: Callable[[Exception], bool]) -> None:
        self._outbox = outbox
        self._tracker = tracker
        self._is_refused = is_refused
        self._progress = read_progress(outbox)

    def send(self) -> bool:
        """Sends what is unsent. Returns whether all was taken; why not stands in the progress file."""
        while part := self._next_part():
            records = merged([record for record, _ in part if record is not None])
            try:
                for record in records:
                    self._apply(record)
            except Exception as error:
                self._note(replace(self._progress, problem=_one_line(error)))
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
        if isinstance(record, FilesLogged) and (evaluation := Path(record.folder)).is_dir():
            draw_evaluation(evaluation)
        try:
            self._tracker.apply(record)
        except Exception as error:
            if not self._is_refused(error):
                raise
            logger.error("the tracking server refused %s: %s", type(record).__name__, _one_line(error))

    def _note(self, progress: Progress) -> None:
        self._progress = replace(progress, run_ids={**progress.run_ids, **self._tracker.run_ids()})
        write_progress(self._outbox, self._progress)


def main() -> None:
    from .mlflow_tracking import MlflowTracker, is_refused

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    artifacts = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    tracker = MlflowTracker(os.environ[URI_VARIABLE], artifacts)
    sender = Sender(Path(sys.argv[1]), tracker, is_refused)
    finish = threading.Event()
    threading.Thread(target=_listen, args=(finish,), daemon=True).start()
    pause = LOOK_EVERY_S
    while True:
        finishing = finish.is_set()
        sent = sender.send()
        if sent and finishing:
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


def _one_line(error: Exception) -> str:
    from .mlflow_tracking import hidden_credentials

    lines = str(error).strip().splitlines()
    return hidden_credentials(f"{type(error).__name__}: {lines[0] if lines else ''}"[:300])


if __name__ == "__main__":
    main()
