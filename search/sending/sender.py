"""Sends the outbox to the tracking server, in a process beside the search, and draws the plots.

The supervisor starts it as `python -m apertune.search.sending.sender OUTBOX ROOT`, ROOT as in `Home`, with the
addresses of tracking server and studies in the environment, where no process list shows their passwords. The line
`finish` on standard input asks it to send everything and then to end. If the input closes before that, the supervisor
is gone, and the sender ends at once: the next search starts another, and of two at once each would make the runs that
it does not find. A lock keeps the second waiting where the first lives on all the same, such as a suspended process.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from ...files.private import OWNER_ALONE
from ...files.scratch import scratch_folder
from ...logs import log_to_standard_error
from ...processes import leave
from ...text import named_line
from ..settings import Home
from ..tracking.outbox import Held, Progress, is_another_outbox, merged, read_progress, unsent, write_progress
from ..tracking.records import FilesLogged, MetricsLogged, Record, StudyChanged, Tracker
from .drawing import draw_evaluation, draw_study, is_drawn
from .drawing_helper import DrawingHelper

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.3
# A first epoch may take minutes; people look for the search in MLflow before.
LATEST_BEGIN_S = 15.0
LONGEST_PAUSE_S = 20.0
RECORDS_AT_ONCE = 200
# Failures of a record, for one reason and for any, while the server takes others, before those behind it are sent
# first. A record takes several calls, each of which may be the one that fails.
TRIES, MOST_TRIES = 3, 12
# Between two tries of records that are held; the pause doubles each time.
HELD_PAUSE_S, LONGEST_HELD_PAUSE_S = 20.0, 600.0
# With each note, all identifiers of runs are written.
NOTE_EVERY_S = 0.2
# With fewer to draw, a second process takes longer to start than it saves.
EVALUATIONS_TO_SHARE = 8
# Gives training precedence where processors are few.
NICENESS = 5
_ADDRESS = re.compile(r"0x[0-9a-f]+")
URI_VARIABLE = "APERTUNE_TRACKING_URI"
STORAGE_VARIABLE = "APERTUNE_STORAGE"
# Beside the outbox.
LOCK_FILE = "sender.lock"
# Set where memory has no room for a second process.
ALONE_VARIABLE = "APERTUNE_SENDER_ALONE"


class Sender:
    """Applies the outbox's records in order, and notes its progress so that a restart continues there.

    A record that fails while the server takes others is held: it stays in the outbox, those behind it are sent, and it
    is tried again now and then, by the next sender, too. A fault of the server itself holds nothing, and is waited for.

    Args:
        outbox: The outbox file.
        tracker: Applies the records.
        is_refused: Tells whether an error means that repeating the record would hardly help.
        home: The home of the studies to draw; None to draw none.
        helped: Whether a second process helps to draw when many evaluations wait.
    """

    def __init__(
        self,
        outbox: Path,
        tracker: Tracker,
        is_refused: Callable[[Exception], bool],
        home: Home | None = None,
        *,
        helped: bool = True,
    ) -> None:
        self._outbox = outbox
        self._tracker = tracker
        self._is_refused = is_refused
        self._home = home
        self._progress = read_progress(outbox)
        self._helped = helped
        self._helper = DrawingHelper()
        # Failures by where a record begins, and by reason; without a reason for all of them together.
        self._tries: Counter[tuple[int, str]] = Counter()
        self._noted = 0.0
        self._held_pause = HELD_PAUSE_S
        # Those that an earlier sender held are tried at once.
        self._held_at = 0.0

    def send(self, *, again: bool = False) -> bool:
        """Sends what is unsent; returns whether all was taken or is held. If not, the progress file says why.

        Args:
            again: Try what is held once more, whenever it was tried before.
        """
        if is_another_outbox(self._outbox):
            logger.warning("the outbox was cut, restored or begun anew; all that is in it is sent again")
            self._progress = read_progress(self._outbox)
        if not self._send_new():
            return False
        return self._send_held() if again or time.monotonic() >= self._held_at else True

    @property
    def holds_any(self) -> bool:
        """True if the server did not take some records though it takes others."""
        return bool(self._progress.held)

    def _send_new(self) -> bool:
        while part := self._next_part():
            self._share_drawing([record for record, _ in part])
            for record, end in merged(part):
                if not self._taken_or_held(record, end):
                    return False
                self._progress = replace(self._progress, offset=end, problem="")
                self.note_soon()
            self._note(replace(self._progress, offset=part[-1][1], problem=""))
        return True

    def _taken_or_held(self, record: Record, end: int) -> bool:
        """Sends a record, or sets it aside where the server takes others; returns whether either was done."""
        begin = self._progress.offset
        try:
            self._apply(record)
        except Exception as error:
            if self._fault_of_server() is None and (self._is_refused(error) or self._has_failed_often(begin, error)):
                self._hold(Held(begin, end, record.key, type(record).__name__, named_line(error)))
                return True
            self._note(replace(self._progress, problem=named_line(error)))
            return False
        self._count()
        return True

    def _has_failed_often(self, begin: int, error: Exception) -> bool:
        reason = (begin, _ADDRESS.sub("", named_line(error)))
        self._tries.update([reason, (begin, "")])
        return self._tries[reason] >= TRIES or self._tries[begin, ""] >= MOST_TRIES

    def _fault_of_server(self) -> Exception | None:
        try:
            self._tracker.check()
        except Exception as error:
            return error
        return None

    def _hold(self, held: Held) -> None:
        logger.error("the tracking server did not take %s of %s: %s", held.kind, held.key, held.problem)
        self._progress = replace(self._progress, held=(*self._progress.held, held))
        self._held_at = time.monotonic() + self._held_pause

    def _send_held(self) -> bool:
        """Tries again what is held; returns False where the server itself fails."""
        for key in dict.fromkeys(held.key for held in self._progress.held):
            if not self._send_held_of(key):
                return False
        self._held_at = time.monotonic() + self._held_pause
        self._held_pause = min(2 * self._held_pause, LONGEST_HELD_PAUSE_S)
        return True

    def _send_held_of(self, key: str) -> bool:
        """Tries again what is held of a run, and then what followed it, since the last tag of a name counts."""
        mine = [held for held in self._progress.held if held.key == key]
        still: list[Held] = []
        some_taken, begin = False, min(held.begin for held in mine)
        for record, end in unsent(self._outbox, begin, self._progress.offset):
            was_held = any(held.begin <= begin < held.end for held in mine)
            if record is not None and record.key == key and (was_held or (some_taken and _is_repeatable(record))):
                try:
                    self._apply(record)
                    some_taken = some_taken or was_held
                    self._count()
                except Exception as error:
                    if self._fault_of_server() is not None:
                        self._note(replace(self._progress, problem=named_line(error)))
                        return False
                    still.append(Held(begin, end, key, type(record).__name__, named_line(error)))
            begin = end
        others = tuple(held for held in self._progress.held if held.key != key)
        self._note(replace(self._progress, held=(*others, *still), problem=""))
        return True

    def _count(self) -> None:
        self._progress = replace(self._progress, taken=self._progress.taken + 1)

    def file_taken(self) -> None:
        """Hears that the server took a file, so that a long upload shows that it moves."""
        self._count()
        self.note_soon()

    def note_soon(self) -> None:
        """Notes the progress, unless that was done a moment ago."""
        if time.monotonic() - self._noted >= NOTE_EVERY_S:
            self._note(self._progress)

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
                draw_evaluation(folder, few=record.few_plots)
            self._tracker.apply(record)

    def _share_drawing(self, records: Sequence[Record | None]) -> None:
        """Hands every second evaluation to a second process if several wait, as they do after short trials."""
        few_plots = {Path(record.folder): record.few_plots for record in records if isinstance(record, FilesLogged)}
        waiting = [folder for folder in few_plots if not is_drawn(folder)]
        if self._helped and len(waiting) >= EVALUATIONS_TO_SHARE:
            self._helper.hand_over({folder: few_plots[folder] for folder in waiting[1::2]})

    def close(self) -> None:
        """Deletes what the server made twice, if it lets us, and ends the second process, if it was started."""
        try:
            run_ids = {**self._progress.run_ids, **self._tracker.run_ids()}
            self._tracker.settle(run_ids, incomplete={held.key for held in self._progress.held})
        except Exception as error:
            logger.warning("whether MLflow made a run twice is not known: %s", error)
        self._helper.close()

    def _send_study(self, record: StudyChanged) -> None:
        if self._home is None:
            return
        # The report reads the identifiers of runs from the noted progress.
        self._note(self._progress)
        with scratch_folder("plots") as folder:
            draw_study(self._home, record.study, folder, with_report=record.ended)
            self._tracker.apply(FilesLogged(record.key, str(folder)))

    def _note(self, progress: Progress) -> None:
        self._progress = replace(progress, run_ids={**progress.run_ids, **self._tracker.run_ids()})
        self._noted = time.monotonic()
        try:
            write_progress(self._outbox, self._progress)
        except OSError as error:
            # A restart sends the same records again, which has no further effect.
            logger.warning("the progress of sending to MLflow cannot be noted: %s", error)


def _is_repeatable(record: Record) -> bool:
    """Returns whether a record is sent again behind one that was held; drawing a study again takes seconds."""
    return not isinstance(record, StudyChanged)


def main() -> None:
    """Sends until everything is sent after the line `finish`, or standard input closes; never returns."""
    log_to_standard_error()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    os.umask(OWNER_ALONE)
    outbox, home = Path(sys.argv[1]), Home(Path(sys.argv[2]), os.environ[URI_VARIABLE], os.environ[STORAGE_VARIABLE])
    finish = threading.Event()
    threading.Thread(target=_listen, args=(finish,), daemon=True).start()
    _await_epochs(outbox, finish)

    from ..tracking.mlflow_tracker import MlflowTracker, is_refused

    lock = _alone_with(outbox)
    tracker = MlflowTracker(home.tracking_uri, home.artifacts, lambda: sender.file_taken())
    sender = Sender(outbox, tracker, is_refused, home, helped=ALONE_VARIABLE not in os.environ)
    pause, rounds = LOOK_EVERY_S, 0
    while True:
        finishing = finish.is_set()
        sent = sender.send(again=finishing)
        rounds += sent and finishing
        if rounds and (rounds >= TRIES or not sender.holds_any):
            sender.close()
            lock.release()
            leave()
        pause = LOOK_EVERY_S if sent else min(pause * 2, LONGEST_PAUSE_S)
        if finishing:
            time.sleep(LOOK_EVERY_S)
        else:
            finish.wait(pause)


def _await_epochs(outbox: Path, finish: threading.Event) -> None:
    """Waits for the numbers of an epoch, for a while: MLflow's import would make the first trials begin later."""
    latest, offset = time.monotonic() + LATEST_BEGIN_S, read_progress(outbox).offset
    while time.monotonic() < latest and not finish.wait(LOOK_EVERY_S):
        if any(isinstance(record, MetricsLogged) for record, _ in unsent(outbox, offset)):
            return


def _alone_with(outbox: Path) -> FileLock:
    """Waits until no other sender sends an outbox, and returns the lock that keeps others away."""
    lock = FileLock(outbox.with_name(LOCK_FILE))
    try:
        lock.acquire()
    except OSError as error:
        # As on a full disk. Other senders end with their supervisors.
        logger.warning("the outbox cannot be locked against a second sender: %s", error)
    return lock


def _listen(finish: threading.Event) -> None:
    for line in sys.stdin:
        if line.strip() == "finish":
            finish.set()
    os._exit(0)


if __name__ == "__main__":
    main()
