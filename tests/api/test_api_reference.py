"""The pages of the reference, `docs/reference`, which are made from docstrings."""

from __future__ import annotations

import re

import pytest
from programs import REPOSITORY

import apertune
import apertune.datasets
import apertune.search
import apertune.spaces

ROOMS = {"apertune": apertune, "datasets": apertune.datasets, "search": apertune.search, "spaces": apertune.spaces}


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_in_the_reference(room: str) -> None:
    """Each public name of the package and its rooms has its entry, and every entry is a public name."""
    page = (REPOSITORY / "docs" / "reference" / f"{room}.md").read_text(encoding="utf-8")
    named = re.findall(rf"^::: {ROOMS[room].__name__}\.(\w+)$", page, re.MULTILINE)
    assert sorted(named) == sorted(ROOMS[room].__all__)
