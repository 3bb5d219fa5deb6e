"""Lets a command go on after its terminal is closed, when nobody reads its output any more."""

from __future__ import annotations

import contextlib
import errno
import os
import termios
from collections.abc import Iterator
from types import TracebackType

from ..search.engine.state import State
from ..search.messages import TrialResult
from .progress import SearchDisplay


@contextlib.contextmanager
def unread() -> Iterator[None]:
    """Discards output to a closed terminal, now and from then on.

    Raises:
        OSError: The block raised one for any other reason.
    """
    try:
        yield
    except OSError as error:
        gone = [stream for stream in (1, 2) if _is_closed(stream)]
        if error.errno != errno.EIO or not gone:
            raise
        # Output that Python still holds would fail again when it ends, and give the command another exit status.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in gone:
            os.dup2(nowhere, stream)
        os.close(nowhere)


def _is_closed(stream: int) -> bool:
    """Returns whether a stream was a terminal that is gone; a file, for example, never was one."""
    try:
        termios.tcgetattr(stream)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


class LastingDisplay:
    """Shows a search as `SearchDisplay` does, until its terminal is closed; the search then ends in its usual way."""

    def __init__(self, noun: str = "trial") -> None:
        self._shown = SearchDisplay(noun)

    def __enter__(self) -> LastingDisplay:
        self._shown.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with unread():
            self._shown.__exit__(kind, error, trace)

    def say(self, line: str) -> None:
        with unread():
            self._shown.say(line)

    def update(self, state: State) -> None:
        with unread():
            self._shown.update(state)

    def trial_ended(self, result: TrialResult, state: State) -> None:
        with unread():
            self._shown.trial_ended(result, state)
