"""The tables of the documentation, which are made from the code."""

from __future__ import annotations

import subprocess
import sys

import pytest
from programs import REPOSITORY

from apertune.cli.doc_tables import flag_table, with_tables

PAGE = REPOSITORY / "docs/searching.md"


def test_the_documentation_holds_the_tables() -> None:
    """The page shows every sampler, pruner, option and flag as the code has them today."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page, "run: python -m apertune.cli.doc_tables docs/searching.md"
    assert page.count(flag_table()) == 1


def test_a_page_without_markers_is_refused() -> None:
    """A page that lost a marker is not taken for one that is up to date."""
    page = PAGE.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="no '<!-- pruners: begin -->'"):
        with_tables(page.replace("<!-- pruners: end -->\n", ""))


def test_reading_the_tables_does_not_import_optuna() -> None:
    """The command reads the tables at its start, where Optuna would cost half a second."""
    code = "import sys, apertune.cli.search; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
