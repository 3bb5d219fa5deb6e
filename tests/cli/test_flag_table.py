from __future__ import annotations

from programs import REPOSITORY

from apertune.cli.flag_table import flag_table, with_flag_table


def test_the_documentation_lists_the_flags_as_they_are() -> None:
    """The table in docs/searching.md is the one that the settings make; apertune.cli.flag_table writes it anew."""
    page = (REPOSITORY / "docs/searching.md").read_text()
    assert page == with_flag_table(page)
    assert page.count(flag_table()) == 1
