"""Whether a training whose worker was lost is tried again, in a search and in a promotion alike."""

from __future__ import annotations

from ..messages import TrialLost

# A worker that was killed from outside says nothing against its trial; one that crashed, or that the kernel killed
# for memory, does.
RETRIES_WHEN_KILLED = 100
RETRIES_AFTER_CRASH = 1


def is_tried_again(lost: TrialLost, losses: int, crashes: int) -> bool:
    """losses: how often its worker was lost, this time included. crashes: how many of these were its own fault."""
    return losses <= RETRIES_WHEN_KILLED if lost.killed else crashes <= RETRIES_AFTER_CRASH
