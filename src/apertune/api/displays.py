"""Shows a running search where Python runs: live in a notebook, as a bar in a terminal, else as plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ..cli.closed_terminal import LastingDisplay
from ..search.engine.state import NoDisplay
from ..wording import worded

if TYPE_CHECKING:
    from ..search.engine.state import Display, State
    from ..search.messages import TrialResult


@contextmanager
def shown(
    noun: str = "trial", *, quiet: bool = False, on_trial_end: Callable[[TrialResult], object] | None = None
) -> Iterator[Display]:
    """Yields the display that fits the place where Python runs.

    Args:
        noun: The word for one of the trainings that are shown.
        quiet: Show nothing.
        on_trial_end: Called with each trial that ends; an error that it raises ends the search.
    """
    with _fitting(noun, quiet=quiet) as display:
        yield _Announced(display, on_trial_end)


def kernel_shell() -> Any:
    """Returns the shell of a notebook's kernel; None anywhere else."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None


def _fitting(noun: str, *, quiet: bool) -> Any:
    if quiet:
        return nullcontext(NoDisplay())
    if kernel_shell() is not None:
        from .notebook_display import NotebookDisplay

        return NotebookDisplay(noun)
    return LastingDisplay(noun)


class _Announced:
    """A display whose lines are worded for Python, and that tells the user's function of each trial."""

    def __init__(self, display: Display, on_trial_end: Callable[[TrialResult], object] | None) -> None:
        self._display = display
        self._on_trial_end = on_trial_end

    def update(self, state: State) -> None:
        self._display.update(state)

    def trial_ended(self, result: TrialResult, state: State) -> None:
        self._display.trial_ended(result, state)
        if self._on_trial_end is not None:
            self._on_trial_end(result)

    def say(self, line: str) -> None:
        self._display.say(worded(line))
