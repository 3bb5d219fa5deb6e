"""The ways in which a user ends a search: Ctrl-C, `kill`, a closed terminal, or `apertune stop`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path

# A signal is urgent: the command ends within 10 s of the first, and a trial goes on from its last checkpoint.
PATIENCE_S = 2.0


class StopLevel(IntEnum):
    """The urgency with which running trials are to end."""

    NO = 0
    AFTER_EPOCH = 1
    NOW = 2
    BY_FORCE = 3


class StopWishes:
    """Counts the wishes that a search may end. A signal that is not obeyed for a while counts as repeated."""

    def __init__(self, stop_file: Path, say: Callable[[str], None]) -> None:
        self.signal = 0
        """The number of the first signal that came; 0 without any."""
        self._stop_file = stop_file
        self._say = say
        self._count = 0
        self._since = 0.0

    def __call__(self) -> StopLevel:
        if self._count == 0:
            return StopLevel(self._stop_file.exists())
        waited = int((time.monotonic() - self._since) / PATIENCE_S)
        return StopLevel(min(self._count + waited, max(StopLevel)))

    def take(self, number: int, frame: object) -> None:
        """Handles a signal.

        Raises:
            KeyboardInterrupt: It came after the third wish; holds the number of the first signal.
        """
        self.signal = self.signal or int(number)
        self._count += 1 if number == signal.SIGINT else 2
        self._since = time.monotonic()
        if self._count == 1:
            self._say(
                f"Stopping; a running epoch has {PATIENCE_S:g} s to end, else its trial goes on from its last "
                "checkpoint next time. Ctrl-C again stops at once."
            )
        if self._count > max(StopLevel):
            raise KeyboardInterrupt(self.signal)


@contextlib.contextmanager
def stop_wishes(stop_file: Path, say: Callable[[str], None]) -> Iterator[StopWishes]:
    """Counts the wishes to stop a study while the context lasts.

    Ctrl-C counts as one wish, the other signals as two, and the file of `apertune stop` as one. Whatever comes after
    the third raises KeyboardInterrupt in the supervisor, which may be waiting for a database or a full disk.

    Args:
        stop_file: The file that `apertune stop` makes; removed at the beginning and at the end.
        say: Takes lines for a person.
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
