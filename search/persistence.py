"""Patience with a database that restarts, is locked, or sits on a disk that is full."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

logger = logging.getLogger(__name__)

T = TypeVar("T")

STORAGE_PATIENCE_S = 120


def persistently(call: Callable[[], T]) -> T:
    """Repeats a storage call that fails, since a database that restarts or a full disk comes back.

    Optuna lets a storage's error surface as AssertionError or UnboundLocalError too, so any Exception counts.
    """
    for attempt in tenacity.Retrying(
        stop=tenacity.stop_after_delay(STORAGE_PATIENCE_S),
        wait=tenacity.wait_exponential(multiplier=0.1, max=5),
        before_sleep=tenacity.before_sleep_log(logger, logging.WARNING),
        reraise=True,
    ):
        with attempt:
            return call()
    raise AssertionError("unreachable: tenacity returns or raises")
