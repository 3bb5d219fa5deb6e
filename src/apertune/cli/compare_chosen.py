"""`apertune compare --trials`: chosen trials side by side, and whether their differences are real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from .output import print_json, print_table
from .trial_tables import short, trial_document

if TYPE_CHECKING:
    from ..search.evaluation.comparison import PairComparison
    from ..search.reports.trial_comparison import TrialComparison
    from ..search.results import StudyResult
    from ..search.settings import Home


def compare_chosen(home: Home, studies: Sequence[StudyResult], words: str, *, page: Path | None, as_json: bool) -> None:
    """studies: of the data set, of which there must be one. words: trial numbers with commas between.

    Raises SettingError for words that are no two different numbers or several studies, StudyError for a trial
    that is not there.
    """
    numbers = _numbers(words)
    if len(studies) > 1:
        names = ", ".join(sorted(result.name for result in studies))
        raise SettingError(f"--trials are of one study; name it with --study: {names}")
    from ..search.reports.trial_comparison import compare_trials, write_comparison

    comparison = compare_trials(home, studies[0], numbers)
    if page is not None:
        write_comparison(comparison, page)
    for line in comparison.missing:
        click.echo(f"No test with {line}", err=True)
    if as_json:
        print_json(_document(comparison, page))
        return
    _print_comparison(comparison)
    if page is not None:
        click.echo(f"Comparison written: {page}")


def _numbers(words: str) -> list[int]:
    try:
        numbers = [int(word) for word in words.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        raise SettingError(f"--trials must be two or more different numbers such as 3,7,12, but got '{words}'")
    return numbers


def _document(comparison: TrialComparison, page: Path | None) -> dict[str, Any]:
    definition = comparison.definition
    return {
        "study": comparison.study,
        "dataset": definition.dataset,
        "objective": definition.objective,
        "direction": definition.direction,
        "trials": [trial_document(trial, comparison.run_ids.get(trial.number)) for trial in comparison.trials],
        "parameters": [asdict(row) for row in comparison.parameters],
        "pairs": [{**asdict(pair), "real": pair.real} for pair in comparison.pairs],
        "missing": list(comparison.missing),
        "page": str(page.resolve()) if page else None,
    }


def _print_comparison(comparison: TrialComparison) -> None:
    trials, objective = comparison.trials, comparison.definition.objective
    labels = [f"trial {trial.number}" for trial in trials]
    facts: list[list[object]] = [
        [objective, *("" if trial.value is None else f"{trial.value:.4f}" for trial in trials)],
        ["state", *(trial.state for trial in trials)],
        ["epochs", *(trial.epochs for trial in trials)],
        ["network's parameters", *(f"{trial.parameters:,}" for trial in trials)],
        ["time", *(f"{trial.seconds:.0f} s" for trial in trials)],
    ]
    print_table(["", *labels], facts, title=f"Study {comparison.study}")
    for differs, title in ((True, "What differs"), (False, "What is the same")):
        rows = [[row.name, *map(short, row.values)] for row in comparison.parameters if row.differs is differs]
        if rows:
            print_table(["parameter", *labels], rows, title=title)
    if comparison.pairs:
        columns = ["pair", f"{objective}, second minus first", "95 % interval", "test", "p", "adjusted p", "difference"]
        print_table(columns, [_pair_row(pair) for pair in comparison.pairs], title="Whether the differences are real")
        click.echo("Adjusted by Holm's method for all pairs; real: adjusted p below 0.05.")


def _pair_row(pair: PairComparison) -> list[object]:
    return [
        f"{pair.first}, {pair.second}",
        f"{pair.difference:+.4f}",
        f"{pair.low:+.4f} to {pair.high:+.4f}",
        pair.test,
        f"{pair.p_value:.2g}",
        f"{pair.adjusted:.2g}",
        "real" if pair.real else "may be chance",
    ]
