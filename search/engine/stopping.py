"""How a user ends a search: Ctrl-C, `kill`, a closed terminal, or `apertune stop`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MOST_WISHES = 3
# A signal is urgent: the command ends within 10 s of the first, and a trial goes on from its last checkpoint.
PATIENCE_S = 2.0


class StopWishes:
    """Wishes that a search may end, counted; a signal that is not obeyed for a while counts as said again.

    signal: the first signal that came, by number; 0 without any.
    """

    def __init__(self, stop_file: Path, say: Callable[[str], None]) -> None:
        self.signal = 0
        self._stop_file = stop_file
        self._say = say
        self._count = 0
        self._since = 0.0

    def __call__(self) -> int:
        """0 none, 1 after the epoch, 2 at once, 3 by force."""
        if self._count == 0:
            return int(self._stop_file.exists())
        waited = int((time.monotonic() - self._since) / PATIENCE_S)
        return min(self._count + waited, MOST_WISHES)

    def take(self, number: int, frame: object) -> None:
        """Handles a signal. Raises KeyboardInterrupt with the first one's number after the third wish."""
        self.signal = self.signal or int(number)
        self._count += 1 if number == signal.SIGINT else 2
        self._since = time.monotonic()
        if self._count == 1:
            self._say(
                f"Stopping; a running epoch has {PATIENCE_S:g} s to end, else its trial goes on from its last "
                "checkpoint next time. Ctrl-C again stops at once."
            )
        if self._count > MOST_WISHES:
            raise KeyboardInterrupt(self.signal)


@contextlib.contextmanager
def stop_wishes(stop_file: Path, say: Callable[[str], None]) -> Iterator[StopWishes]:
    """Counts the wishes to stop a study. stop_file: what `apertune stop` leaves.

    Ctrl-C counts one, the other signals two; `apertune stop` leaves a file. Whatever comes after the third raises
    KeyboardInterrupt where the supervisor is, which may be waiting for a database or a full disk.
    """
    wishes = StopWishes(stop_file, say)
    stop_file.unlink(missing_ok=True)
    if threading.current_thread() is not threading.main_thread():
        yield wishes
        return
    heard = [signal.SIGINT, signal.SIGTERM]
    # `nohup` has a closed terminal ignored, and that is to stay so.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heard.append(signal.SIGHUP)
    before = {number: signal.signal(number, wishes.take) for number in heard}
    try:
        yield wishes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop_file.unlink(missing_ok=True)
