"""Fixtures of the tests of faults."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keeps a figure in the tests' report, from which `benchmarks/faults.py` takes it."""
    return functools.partial(record_property, "measured")
