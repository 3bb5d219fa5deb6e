"""The ends of a search before its target: budgets, a target value, an exhausted space, and nothing but failures."""

from __future__ import annotations

import time

from ...errors import ApertuneError, SettingError
from ..evaluation.direction import Direction
from ..messages import TrialResult
from .planning import Plan

FAILURES_IN_A_ROW = 5
OVER_LIMIT_IN_A_ROW = 200


class Ends:
    """Counts what a search has had, and says when that is enough.

    Args:
        plan: Holds the deadline, the epochs and the target value.
        objective: Name of the first objective.
        direction: Whether higher or lower values of it are better.
    """

    def __init__(self, plan: Plan, objective: str, direction: Direction) -> None:
        self.reason = ""
        """Reason for ending before the target; empty while there is none."""

        self.epochs = 0
        """Epochs trained by all trials of the study."""

        self.exhausted = ""
        """Reason why no further trial can begin; running ones go on. Empty while there is none."""

        self._plan = plan
        self._objective = objective
        self._direction = direction
        self._failures = 0
        self._over_limit = 0

    def time_is_up(self) -> bool:
        """Returns whether the deadline has passed: running trials may then end their epoch, and none begins."""
        return time.monotonic() > self._plan.deadline

    def budget_spent(self) -> str:
        """Returns what to say of a spent budget of epochs; empty while it is not spent."""
        return f"{self.epochs} epochs are trained in all" if self.epochs >= self._plan.epochs else ""

    def target_reached(self, result: TrialResult) -> str:
        """Returns what to say of a trial whose objective reaches the target value; empty for any other."""
        wanted, value = self._plan.target_value, result.value
        if wanted is None or value is None or not (value == wanted or self._direction.better(value, wanted)):
            return ""
        return f"trial {result.number} reached {self._objective} {value:.4f}"

    def count_failure(self, result: TrialResult) -> None:
        """Gives up when nothing but failures comes, since more would cost time and teach nothing.

        Raises:
            SettingError: Too many configurations in a row cost more than the limits allow.
            ApertuneError: Too many trials in a row failed, or one asked for the end.
        """
        if result.ends_search:
            raise ApertuneError(f"trial {result.number} ended the search: {result.reason}")
        self._over_limit = self._over_limit + 1 if result.over_limit else 0
        if self._over_limit >= OVER_LIMIT_IN_A_ROW:
            raise SettingError(
                f"{self._over_limit} configurations in a row cost more than allowed; the last: {result.reason}; "
                "raise the limit, or narrow the space with --narrow"
            )
        self._failures = self._failures + 1 if result.outcome == "failed" else 0
        if self._failures >= FAILURES_IN_A_ROW:
            raise ApertuneError(
                f"{self._failures} trials in a row failed; the last, trial {result.number}: {result.reason}"
            )
