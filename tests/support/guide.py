"""The examples of CONTRIBUTING.md and other pages, which tests run as they stand there."""

from __future__ import annotations

import re

from programs import REPOSITORY


def section(heading: str, page: str = "CONTRIBUTING.md") -> str:
    """Returns the text below a heading of the second level, up to the next one."""
    _, found, text = (REPOSITORY / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")
    assert found, f"{page} has no section '{heading}'"
    return text.partition("\n## ")[0]


def examples(heading: str, language: str = "python", page: str = "CONTRIBUTING.md") -> list[str]:
    """Returns the code blocks of a section that are in this language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", section(heading, page), flags=re.DOTALL)
