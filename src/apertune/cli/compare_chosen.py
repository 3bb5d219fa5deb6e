"""`apertune compare --trials`: chosen trials side by side, and tests of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from .output import print_json, print_table
from .trial_tables import short, shown_objective, shown_seconds, trial_document

if TYPE_CHECKING:
    from ..search.evaluation.comparison import PairComparison
    from ..search.reports.trial_comparison import TrialComparison
    from ..search.results import StudyResult
    from ..search.settings import Home


def compare_chosen(home: Home, studies: Sequence[StudyResult], words: str, *, page: Path | None, as_json: bool) -> None:
    """Prints chosen trials of a study side by side, and writes them as a page if asked to.

    Args:
        home: Where the studies and their results are.
        studies: The studies to choose from, of which there must be only one.
        words: Numbers of trials, separated by commas.
        page: The HTML file to write; None for no page.
        as_json: Print a JSON document instead of tables.

    Raises:
        SettingError: The words are not two or more different numbers, or there are several studies.
        StudyError: The study has no trial of one of the numbers.
    """
    numbers = _numbers(words)
    if len(studies) > 1:
        names = ", ".join(sorted(result.name for result in studies))
        raise SettingError(f"--trials must be of one study, but there are several; name it with --study: {names}")
    from ..search.reports.trial_comparison import compare_trials, write_comparison

    comparison = compare_trials(home, studies[0], numbers)
    if page is not None:
        write_comparison(comparison, page)
    for line in comparison.missing:
        click.echo(f"Not tested: {line}", err=True)
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
        [objective, *(shown_objective(trial.value) for trial in trials)],
        ["state", *(trial.state for trial in trials)],
        ["epochs", *(trial.epochs for trial in trials)],
        ["network's parameters", *(f"{trial.parameters:,}" for trial in trials)],
        ["time", *(shown_seconds(trial.seconds) for trial in trials)],
    ]
    print_table(["", *labels], facts, title=f"Study {comparison.study}")
    for differs, title in ((True, "Parameters that differ"), (False, "Parameters that are the same")):
        rows = [[row.name, *map(short, row.values)] for row in comparison.parameters if row.differs is differs]
        if rows:
            print_table(["parameter", *labels], rows, title=title)
    if comparison.pairs:
        columns = ["pair", f"{objective}, second minus first", "95 % interval", "test", "p", "adjusted p", "difference"]
        print_table(columns, [_pair_row(pair) for pair in comparison.pairs], title="Differences")
        click.echo(
            "Each p is adjusted for all pairs by Holm's method; a difference is real if its adjusted p is below 0.05."
        )


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
