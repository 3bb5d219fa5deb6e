"""The table of flags in docs/searching.md, made from the settings.

Run `python -m apertune.cli.flag_table docs/searching.md` to write it anew.
"""

from __future__ import annotations

import sys
import typing
from pathlib import Path

from ..search.settings import search_declarations
from ..settings_fields import Declaration, declarations
from .dataset_options import Source, dataset_declarations
from .search import Launch

BEGIN, END = "<!-- flags: made by python -m apertune.cli.flag_table -->", "<!-- end of flags -->"


def flag_table() -> str:
    """Returns every setting of `apertune search` as a Markdown table, in the order of its help."""
    settings = (
        *dataset_declarations(),
        declarations(Source)["name"],
        *search_declarations(),
        *declarations(Launch).values(),
    )
    rows = [f"| `--{one.flag}` | {one.help} | {_values(one)} | {one.default_words} |" for one in settings]
    return "\n".join(("| flag | what it does | values | default |", "|---|---|---|---|", *rows))


def with_flag_table(page: str) -> str:
    """Returns the page with the table as it is now between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{flag_table()}\n{END}{after}"


def _values(declared: Declaration) -> str:
    """Returns the values that a setting may have, where its help line does not list them."""
    choices = declared.choices or next(
        (typing.get_args(kind) for kind in declared.alternatives if typing.get_origin(kind) is typing.Literal), ()
    )
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if declared.bounds:
        return "" if declared.bounds in declared.help else declared.bounds
    return f"`{declared.placeholder}`".replace("|", "\\|") if declared.placeholder else ""


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(with_flag_table(path.read_text(encoding="utf-8")), encoding="utf-8")
