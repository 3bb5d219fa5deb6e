"""Shows a running search on standard error: one live display in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from types import TracebackType

from rich import box
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..search.engine.state import Running, State
from ..search.messages import TrialResult
from ..text import counted, shown_score, visible
from .output import open_console, wrapped

REFRESHES_PER_SECOND = 4


class SearchDisplay:
    """A context that shows running trainings.

    Args:
        noun: The word for one of them.
    """

    def __init__(self, noun: str = "trial") -> None:
        self._noun = noun
        self._console = open_console(stderr=True)
        self._live: Live | None = None
        self._began = time.monotonic()
        self._at_first: tuple[int, int] | None = None

    def __enter__(self) -> SearchDisplay:
        if sys.stderr.isatty():
            self._live = Live(console=self._console, refresh_per_second=REFRESHES_PER_SECOND, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, line: str) -> None:
        """Prints a line above the display."""
        self._console.print(wrapped(visible(line), err=True), soft_wrap=True)

    def update(self, state: State) -> None:
        """Shows where the search stands."""
        if self._at_first is None:
            self._at_first = state.finished, state.epochs
        if self._live is not None:
            self._live.update(Group(self._bar(state), *([self._trials(state)] if state.running else [])))

    def trial_ended(self, result: TrialResult, state: State) -> None:
        """Prints a line about a trial that ended."""
        if result.outcome == "interrupted":
            self.say(f"Trial {result.number} put back after epoch {result.epochs}; it goes on with the next search.")
            return
        value = "" if result.value is None else f" {state.objective} {shown_score(result.value)}"
        is_told = result.reason in ("", f"{result.outcome} after epoch {result.epochs}")
        reason = "" if is_told else f" ({result.reason})"
        epochs = counted(result.epochs, "epoch")
        left = f", {self._time_left(state)} left" if self._time_left(state) else ""
        # The display shows the best and the time that is left below all lines.
        standing = f"{self._best(state)}{left}" if self._live is None else ""
        self.say(
            f"[{state.finished}/{state.target}] trial {result.number} {result.outcome}{value} "
            f"after {epochs}, {result.seconds:.0f} s{reason}{standing}"
        )

    def _bar(self, state: State) -> Table:
        row = Table.grid(padding=(0, 2))
        words = f"{state.finished} of {counted(state.target, self._noun)}{self._best(state)}"
        left = f"about {self._time_left(state)} left" if self._time_left(state) else ""
        stopping = "stopping" if state.stopping else left
        row.add_row(ProgressBar(state.target, state.finished, width=30), Text(words), Text(stopping))
        return row

    def _trials(self, state: State) -> Table:
        table = Table(self._noun, "epoch", visible(state.objective), "best", "parameters", "time", box=box.SIMPLE_HEAD)
        for number, running in sorted(state.running.items()):
            table.add_row(*self._cells(number, running))
        return table

    def _cells(self, number: int, running: Running) -> list[str]:
        return [
            str(number),
            f"{running.epoch}/{running.most_epochs}" if running.parameters else "building",
            shown_score(running.value),
            shown_score(running.best),
            f"{running.parameters:,}" if running.parameters else "",
            _duration(time.monotonic() - running.since),
        ]

    def _best(self, state: State) -> str:
        if state.best is None or state.best.value is None:
            return ""
        return f"; best {shown_score(state.best.value)} (trial {state.best.number})"

    def _time_left(self, state: State) -> str:
        """Returns the time left by the pace so far, or until the deadline; empty when neither is known."""
        trials, epochs = self._at_first or (0, 0)
        now = time.monotonic()
        seconds = state.deadline - now
        if (done := state.finished - trials) > 0:
            seconds = min(seconds, (now - self._began) / done * (state.target - state.finished))
        if (trained := state.epochs - epochs) > 0:
            seconds = min(seconds, (now - self._began) / trained * (state.most_epochs - state.epochs))
        return _duration(max(0.0, seconds)) if math.isfinite(seconds) and state.finished < state.target else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
