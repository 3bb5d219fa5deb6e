"""The portfolio that ships: configurations that were good on recorded data sets, in the order to try them.

`benchmarks/portfolio.py` chooses them and writes `portfolio.json`. A parameter that a configuration leaves out has its
default; a value that a data set or a user's range does not allow is repaired to the nearest that they do.
"""

from __future__ import annotations

import json
from pathlib import Path

from .search_space.parameters import Values

_FILE = Path(__file__).with_name("portfolio.json")


def portfolio_of(space: str) -> tuple[Values, ...]:
    """Returns the configurations for a space that ships, best first; none for any other."""
    return tuple(json.loads(_FILE.read_text(encoding="utf-8")).get(space, ()))
