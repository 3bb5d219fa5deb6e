"""The tables in docs/searching.md that are made from the code: presets, samplers, pruners and flags.

Run `python -m apertune.cli.doc_tables docs/searching.md` to write them anew; a test compares them.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..search.settings import SearchSettings, search_declarations
from ..search.strategies.options import Option
from ..search.strategies.presets import PRESETS
from ..search.strategies.pruners import PRUNERS
from ..search.strategies.samplers import SAMPLERS, Sampler
from ..settings_fields import Declaration, declarations
from .dataset_options import Source, dataset_declarations
from .search import Launch


def preset_table() -> str:
    """Returns the presets with the settings they stand for, as a Markdown table."""
    known = declarations(SearchSettings)
    rows = [
        (
            f"`{name}`",
            each.summary,
            " ".join(f"`--{known[field].flag} {value}`" for field, value in each.settings.items()),
        )
        for name, each in PRESETS.items()
    ]
    return _table(("`--preset`", "When to take it", "Stands for"), rows)


def sampler_tables() -> str:
    """Returns two Markdown tables: the samplers, and their options."""
    samplers = [(f"`{name}`", each.summary, each.advice, _limits(name, each)) for name, each in SAMPLERS.items()]
    head = ("`--sampler`", "Where it draws", "When to take it", "Limits")
    options = {name: each.options for name, each in SAMPLERS.items()}
    return f"{_table(head, samplers)}\n{_option_table('--sampler', options)}"


def pruner_tables() -> str:
    """Returns two Markdown tables: the pruners, and their options."""
    judged = {"epochs": "epochs", "rounds": "folds and repeats", "nothing": "nothing"}
    pruners = [(f"`{name}`", each.summary, each.advice, judged[each.judges]) for name, each in PRUNERS.items()]
    head = ("`--pruner`", "When it ends a trial", "When to take it", "Judges")
    options = {name: each.options for name, each in PRUNERS.items()}
    return f"{_table(head, pruners)}\n{_option_table('--pruner', options)}"


def flag_table() -> str:
    """Returns every setting of `apertune search` as a Markdown table, in the order of its help."""
    settings = (
        *dataset_declarations(),
        declarations(Source)["name"],
        *search_declarations(),
        *declarations(Launch).values(),
    )
    rows = [(f"`--{one.flag}`", one.help, _values(one), one.default_words) for one in settings]
    return _table(("Flag", "What it does", "Values", "Default"), rows)


def with_tables(page: str) -> str:
    """Returns a page of Markdown with the text between its markers replaced by today's tables.

    Raises:
        ValueError: The page lacks a marker.
    """
    made = {"presets": preset_table(), "samplers": sampler_tables(), "pruners": pruner_tables(), "flags": flag_table()}
    for marker, tables in made.items():
        before, begin, rest = page.partition(f"<!-- {marker}: begin -->\n")
        _, end, after = rest.partition(f"<!-- {marker}: end -->\n")
        if not (begin and end):
            raise ValueError(f"the page has no '<!-- {marker}: begin -->' with its end")
        page = f"{before}{begin}\n{tables}\n{end}{after}"
    return page


def _limits(name: str, sampler: Sampler) -> str:
    limits = {
        f"needs the extra `{name}`": sampler.package is not None,
        "one objective only": not sampler.several_objectives,
        "a finite list of values per parameter": not sampler.endless_ranges,
    }
    return "; ".join(limit for limit, holds in limits.items() if holds)


def _option_table(flag: str, options: Mapping[str, Mapping[str, Option]]) -> str:
    rows = [
        (f"`{name}`", f"`{owner}`", f"{option.default:g}", f"{option.least} to {option.most}", option.meaning)
        for owner, its_options in options.items()
        for name, option in its_options.items()
    ]
    return _table((f"`{flag}-option`", f"`{flag}`", "Default", "Range", "Meaning"), rows)


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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|\n" for cells in lines)


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
