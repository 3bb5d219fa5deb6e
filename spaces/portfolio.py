"""The portfolio that ships: configurations that were good on recorded data sets, in the order to try them.

`benchmarks/portfolio.py` chooses them and writes `portfolio.json`. A parameter that a configuration leaves out has its
default; a value that a data set or a user's range does not allow is repaired to the nearest that they do.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..datasets.base import Task
from .search_space.parameters import Values

_FILE = Path(__file__).with_name("portfolio.json")
RECORDED = "convnet"
"""The space whose trainings were recorded."""
TRANSFERRED = ("residual", "pretrained")
"""Spaces that begin with what they share with `RECORDED`: the recipe and a little more. None was measured there."""
TASKS_OF_THEIR_OWN: tuple[Task, ...] = ("multilabel",)
"""Tasks that have configurations of their own, chosen by what was best on sets of that task."""


def portfolio_of(space: str, task: Task | None = None) -> tuple[Values, ...]:
    """Returns the configurations for a space that ships, best first; none for any other.

    Args:
        space: The space's name.
        task: The data set's task; None for what suits all tasks.
    """
    known = json.loads(_FILE.read_text(encoding="utf-8"))
    return tuple(known.get(key_of(space, task)) or known.get(space, ()))


def key_of(space: str, task: Task | None) -> str:
    """Returns the name that the configurations for a space and a task have in the file."""
    return f"{space} {task}" if task in TASKS_OF_THEIR_OWN else space
