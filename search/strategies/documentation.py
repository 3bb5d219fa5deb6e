"""The tables of samplers and pruners in docs/searching.md.

Run `python -m apertune.search.strategies.documentation docs/searching.md` after a change of either table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .options import Option
from .pruners import PRUNERS
from .samplers import SAMPLERS, Sampler


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


def with_tables(page: str) -> str:
    """Returns a page of Markdown with the text between its markers replaced by today's tables.

    Raises:
        ValueError: Where the page lacks a marker.
    """
    for marker, tables in (("samplers", sampler_tables()), ("pruners", pruner_tables())):
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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("|  |", "| |")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(with_tables(file.read_text(encoding="utf-8")), encoding="utf-8")
