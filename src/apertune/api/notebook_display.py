"""A search in a notebook: one output that changes while trials run, with a table and the curve of the best value."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..text import counted

if TYPE_CHECKING:
    from ..search.engine.state import Running, State
    from ..search.messages import TrialResult

# A notebook keeps up with about this many changes, and its file holds the last one alone.
SECONDS_BETWEEN = 0.5
LINES_SHOWN = 12
WIDTH, HEIGHT, MARGIN = 520, 120, 8
_CELL = 'style="text-align:right;padding:1px 10px"'


class NotebookDisplay:
    """A context that shows running trainings in the output of a cell.

    Args:
        noun: The word for one of them.
    """

    def __init__(self, noun: str = "trial") -> None:
        self._noun = noun
        self._handle: Any = None
        self._lines: list[str] = []
        self._ended: list[tuple[float | None, str]] = []
        self._state: State | None = None
        self._drawn = 0.0

    def __enter__(self) -> NotebookDisplay:
        from IPython.display import HTML, display

        self._handle = display(HTML("<i>Starting …</i>"), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw(is_over=True)

    def say(self, line: str) -> None:
        """Shows a line, the latest ones below the table."""
        self._lines.append(line)
        self._draw()

    def update(self, state: State) -> None:
        """Shows where the search stands."""
        self._follow(state)
        if time.monotonic() - self._drawn >= SECONDS_BETWEEN:
            self._draw()

    def trial_ended(self, result: TrialResult, state: State) -> None:
        """Adds a trial that ended to the curve."""
        self._follow(state)
        if result.outcome != "interrupted":
            self._ended.append((result.value if result.outcome == "complete" else None, result.outcome))
        if result.outcome in ("failed", "infeasible"):
            self._lines.append(f"{self._noun.capitalize()} {result.number} {result.outcome}: {result.reason}")
        self._draw()

    def _follow(self, state: State) -> None:
        if self._state is not None and state is not self._state:
            # The search after its reference, whose training is no trial of it.
            self._ended = []
        self._state = state

    def _draw(self, *, is_over: bool = False) -> None:
        from IPython.display import HTML

        self._drawn = time.monotonic()
        if self._handle is not None:
            self._handle.update(HTML(self._html(is_over=is_over)))

    def _html(self, *, is_over: bool) -> str:
        parts = ["<div>"]
        if self._state is not None:
            parts += [self._bar(self._state), self._curve(), "" if is_over else self._table(self._state)]
        lines = "<br>".join(html.escape(line) for line in self._lines[-LINES_SHOWN:])
        return "".join([*parts, f'<div style="color:#5c6b7a;font-size:90%">{lines}</div>', "</div>"])

    def _bar(self, state: State) -> str:
        share = 100 * state.finished // max(1, state.target)
        best = ""
        if state.best is not None and state.best.value is not None:
            best = f"; best {html.escape(state.objective)} {state.best.value:.4f} (trial {state.best.number})"
        words = f"{state.finished} of {counted(state.target, self._noun)}{best}"
        filled = f'<div style="width:{share}%;height:8px;background:#2166ac;border-radius:4px"></div>'
        bar = f'<div style="width:{WIDTH}px;background:#dde3ea;border-radius:4px">{filled}</div>'
        return f"<div>{words}{', stopping' if state.stopping else ''}</div>{bar}"

    def _table(self, state: State) -> str:
        heads = [self._noun, "epoch", state.objective, "best", "parameters", "time"]
        head = "".join(f"<th {_CELL}>{html.escape(name)}</th>" for name in heads)
        rows = "".join(_row(number, running) for number, running in sorted(state.running.items()))
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""

    def _curve(self) -> str:
        values = [value for value, _ in self._ended if value is not None and math.isfinite(value)]
        if len(values) < 2 or self._state is None:
            return ""
        return _curve_svg(values, maximize=_maximizes(values, self._state))


def _maximizes(values: Sequence[float], state: State) -> bool:
    """Returns whether the best value so far is the largest."""
    best = state.best.value if state.best is not None and state.best.value is not None else max(values)
    return best >= max(values)


def _curve_svg(values: Sequence[float], *, maximize: bool) -> str:
    """Draws a dot per complete trial, and the best value so far as a line; all numbers are ours."""
    low, high = min(values), max(values)
    span = high - low or 1.0
    step = (WIDTH - 2 * MARGIN) / (len(values) - 1)

    def place(index: int, value: float) -> tuple[float, float]:
        return MARGIN + index * step, HEIGHT - MARGIN - (value - low) / span * (HEIGHT - 2 * MARGIN)

    best, line, dots = values[0], [], []
    for index, value in enumerate(values):
        best = max(best, value) if maximize else min(best, value)
        line.append("{:.1f},{:.1f}".format(*place(index, best)))
        x, y = place(index, value)
        dots.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#92a9c0"/>')
    drawn = f'<polyline points="{" ".join(line)}" fill="none" stroke="#2166ac" stroke-width="2"/>'
    label = f'<text x="{WIDTH + 4}" y="{MARGIN + 4}" font-size="11">{high:.4f}</text>'
    label += f'<text x="{WIDTH + 4}" y="{HEIGHT - MARGIN}" font-size="11">{low:.4f}</text>'
    return f'<svg width="{WIDTH + 60}" height="{HEIGHT}" role="img">{"".join(dots)}{drawn}{label}</svg>'


def _row(number: int, running: Running) -> str:
    cells = [
        str(number),
        f"{running.epoch}/{running.most_epochs}" if running.parameters else "building",
        "" if running.value is None else f"{running.value:.4f}",
        "" if running.best is None else f"{running.best:.4f}",
        f"{running.parameters:,}" if running.parameters else "",
        f"{time.monotonic() - running.since:.0f} s",
    ]
    return "<tr>" + "".join(f"<td {_CELL}>{cell}</td>" for cell in cells) + "</tr>"
