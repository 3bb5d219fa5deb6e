"""Log files of the processes that Apertune starts, without the credentials that libraries write into their errors."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from .text import hidden_credentials


def log_to_standard_error() -> None:
    """Logs what this process has to say, uncaught errors included, on standard error, which its parent makes a file."""
    handler = logging.StreamHandler()
    handler.setFormatter(_WithoutCredentials("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    hide_in_tracebacks()


def hide_in_tracebacks() -> None:
    """Has Python star credentials in the traceback of an error that nobody caught."""
    sys.excepthook = _print_hidden


class _WithoutCredentials(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return hidden_credentials(super().format(record))


def _print_hidden(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(hidden_credentials("".join(traceback.format_exception(kind, error, trace))))
