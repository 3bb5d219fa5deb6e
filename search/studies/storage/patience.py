"""Patience with a database that restarts, is locked, or sits on a disk that is full."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import tenacity

from ....errors import ApertuneError
from ....text import named_line

logger = logging.getLogger(__name__)

T = TypeVar("T")

STORAGE_PATIENCE_S = 120
TOLD_AT_ATTEMPT = 3
DATABASE_PACKAGES = ("sqlalchemy", "sqlite3", "psycopg")


def persistently(call: Callable[[], T], what: str = "the studies' database") -> T:
    """Repeats a call that writes `what` while it fails, since a database that restarts or a full disk comes back.

    Raises ApertuneError when the disk or the database stays so for `STORAGE_PATIENCE_S`, and any other error as it is,
    at once.
    """
    try:
        return _repeated(call, what)
    except Exception as error:
        cause = _first_cause(error)
        if not isinstance(cause, OSError) and type(cause).__name__ != "OperationalError":
            raise
        raise ApertuneError(
            f"{what} could not be written for {STORAGE_PATIENCE_S} s ({named_line(cause)}); when that is mended, the "
            "same command goes on where this search was"
        ) from error


def _repeated(call: Callable[[], T], what: str) -> T:
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_of_storage),
        stop=tenacity.stop_after_delay(STORAGE_PATIENCE_S),
        wait=tenacity.wait_exponential(multiplier=0.1, max=5),
        before_sleep=partial(_tell, what),
        reraise=True,
    ):
        with attempt:
            return call()
    raise AssertionError("unreachable: tenacity returns or raises")


def _is_of_storage(error: BaseException) -> bool:
    """Whether disk or database failed, as far as one can see: Optuna lets a storage's error surface as these, too."""
    link: BaseException | None = error if isinstance(error, Exception) else None
    while link is not None:
        of_database = type(link).__module__.partition(".")[0] in DATABASE_PACKAGES
        if of_database or isinstance(link, (OSError, AssertionError, UnboundLocalError)):
            return True
        link = link.__cause__ or link.__context__
    return False


def _tell(what: str, state: tenacity.RetryCallState) -> None:
    """One line the first time, and not until a moment has passed, since most of what fails is over by then."""
    if state.attempt_number != TOLD_AT_ATTEMPT or state.outcome is None:
        return
    error = state.outcome.exception()
    assert error is not None
    logger.warning(
        "%s cannot be written (%s); trying again while trials go on.",
        what[0].upper() + what[1:],
        named_line(_first_cause(error)),
    )


def _first_cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
