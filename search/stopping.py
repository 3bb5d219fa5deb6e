"""How a user ends a search: Ctrl-C, `kill`, a closed terminal, or `apertune stop`."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

STOP_FILE = "stop"
MOST_WISHES = 3


@contextlib.contextmanager
def stop_wishes(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[], int]]:
    """Counts the wishes to stop the study in `folder`: 0 none, 1 after the epoch, 2 at once, 3 by force.

    Ctrl-C counts one, the other signals two; `apertune stop` leaves a file. Whatever comes after the third raises
    KeyboardInterrupt where the supervisor is, which may be waiting for a database or a full disk.
    """
    stop_file, wishes = folder / STOP_FILE, 0

    def wish(number: int, frame: object) -> None:
        nonlocal wishes
        wishes += 1 if number == signal.SIGINT else 2
        if wishes == 1:
            say("Stopping after the running epochs; Ctrl-C again stops at once.")
        if wishes > MOST_WISHES:
            raise KeyboardInterrupt

    def wanted() -> int:
        if stop_file.exists() and wishes == 0:
            return 1
        return min(wishes, MOST_WISHES)

    stop_file.unlink(missing_ok=True)
    if threading.current_thread() is not threading.main_thread():
        yield wanted
        return
    before = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield wanted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop_file.unlink(missing_ok=True)
