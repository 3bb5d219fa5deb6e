"""`apertune compare --trials`: chosen trials side by side, and tests of their differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import SettingError, StudyError
from ..text import shown_score
from .output import print_json, print_line, print_table
from .trial_tables import short, shown_seconds, trial_document

if TYPE_CHECKING:
    from ..search.evaluation.comparison import PairComparison
    from ..search.reports.trial_comparison import TrialComparison
    from ..search.results import StudyResult
    from ..search.settings import Home

COULD_SHOW, ACCURACY = "could show", "accuracy p"


def compare_chosen(
    home: Home,
    every: Sequence[StudyResult],
    studies: Sequence[StudyResult],
    words: str,
    *,
    page: Path | None,
    as_json: bool,
) -> None:
    """Prints chosen trials side by side, and writes them as a page if asked to.

    Args:
        home: Where the studies and their results are.
        every: All studies of the data set.
        studies: The studies that numbers alone are of, of which there must be only one.
        words: Trials, separated by commas: numbers, or STUDY:NUMBER.
        page: The HTML file to write; None for no page.
        as_json: Print a JSON document instead of tables.

    Raises:
        SettingError: The words are not two or more different trials, or numbers alone could be of several studies.
        StudyError: A study is not there, lacks a trial, or is of other data.
    """
    from ..search.reports.trial_comparison import choose_trials, compare_trials, write_comparison

    comparison = compare_trials(home, choose_trials(chosen_trials(every, studies, words)))
    if page is not None:
        write_comparison(comparison, page)
    for line in comparison.missing:
        print_line(f"Not tested: {line}", err=True)
    if as_json:
        print_json(_document(comparison, page))
        return
    _print_comparison(comparison)
    if page is not None:
        print_line(f"Comparison written: {page}")


def chosen_trials(
    every: Sequence[StudyResult], studies: Sequence[StudyResult], words: str
) -> list[tuple[StudyResult, int]]:
    """Returns the trials that the words name, each with its study; see `compare_chosen`."""
    chosen = []
    for word in words.split(","):
        name, colon, number = word.strip().rpartition(":")
        if not number.isdecimal() or (colon and not name):
            raise _wrong_trials(words)
        if colon:
            chosen.append((_named(every, name), int(number)))
            continue
        if len(studies) > 1:
            names = ", ".join(sorted(result.name for result in studies))
            raise SettingError(
                f"--trials must say of which study '{word}' is, since there are several: name it with --study, or "
                f"write STUDY:NUMBER; there are: {names}"
            )
        chosen.append((studies[0], int(number)))
    if len(chosen) < 2 or len({(study.name, number) for study, number in chosen}) < len(chosen):
        raise _wrong_trials(words)
    return chosen


def _wrong_trials(words: str) -> SettingError:
    return SettingError(
        f"--trials must be two or more different trials such as 3,7,12 or STUDY:3,OTHER:0, but got '{words}'"
    )


def _named(every: Sequence[StudyResult], name: str) -> StudyResult:
    for study in every:
        if study.name == name:
            return study
    have = ", ".join(sorted(study.name for study in every))
    raise StudyError(f"no study of this data set is called '{name}'; there are: {have}")


def _document(comparison: TrialComparison, page: Path | None) -> dict[str, Any]:
    definition, chosen = comparison.definition, comparison.chosen
    return {
        "study": comparison.studies[0],
        "studies": comparison.studies,
        "dataset": definition.dataset,
        "objective": definition.objective,
        "direction": definition.direction,
        "trials": [{**trial_document(one.trial, one.run_id), "study": one.study.name} for one in chosen],
        "parameters": [asdict(row) for row in comparison.parameters],
        "pairs": [
            {
                **asdict(pair),
                "first": chosen[pair.first].trial.number,
                "second": chosen[pair.second].trial.number,
                "first_study": chosen[pair.first].study.name,
                "second_study": chosen[pair.second].study.name,
                "real": pair.real,
            }
            for pair in comparison.pairs
        ],
        "missing": list(comparison.missing),
        "page": str(page.resolve()) if page else None,
    }


def _print_comparison(comparison: TrialComparison) -> None:
    trials, objective = [one.trial for one in comparison.chosen], comparison.definition.objective
    labels = [f"trial {label}" for label in comparison.labels]
    facts: list[list[object]] = [
        [objective, *(shown_score(trial.value) for trial in trials)],
        ["state", *(trial.state for trial in trials)],
        ["epochs", *(trial.epochs for trial in trials)],
        ["network's parameters", *(f"{trial.parameters:,}" for trial in trials)],
        ["time", *(shown_seconds(trial.seconds) for trial in trials)],
    ]
    called = "Study" if len(comparison.studies) == 1 else "Studies"
    print_table(["", *labels], facts, title=f"{called} {', '.join(comparison.studies)}")
    for differs, title in ((True, "Parameters that differ"), (False, "Parameters that are the same")):
        rows = [[row.name, *map(short, row.values)] for row in comparison.parameters if row.differs is differs]
        if rows:
            print_table(["parameter", *labels], rows, title=title)
    if comparison.pairs:
        columns = ["pair", "difference", "95 % interval", "test", "p", "adjusted p", "verdict", COULD_SHOW, ACCURACY]
        tested = [_pair_row(comparison, pair) for pair in comparison.pairs]
        title = f"Differences in {objective}, the second minus the first"
        left_out = print_table(columns, tested, title=title, dispensable=[ACCURACY, "p", COULD_SHOW, "test"])
        print_line(
            "Each p is adjusted for all pairs by Holm's method; a difference is real if its adjusted p is below 0.05."
        )
        if COULD_SHOW not in left_out:
            print_line(
                f"'Could show': the smallest true difference in {objective} that such a test finds in 4 of 5 cases."
            )
        if ACCURACY not in left_out:
            print_line("'Accuracy p': McNemar's test on right answers, which says nothing of other metrics.")
        if left_out:
            print_line(f"Left out, since the terminal is narrow: {', '.join(left_out)} (--json shows them)")


def _pair_row(comparison: TrialComparison, pair: PairComparison) -> list[object]:
    return [
        f"{comparison.labels[pair.first]}, {comparison.labels[pair.second]}",
        f"{pair.difference:+.4f}",
        f"{pair.low:+.4f} to {pair.high:+.4f}",
        pair.test,
        f"{pair.p_value:.2g}",
        f"{pair.adjusted:.2g}",
        "real" if pair.real else "may be chance",
        f"{pair.smallest:.4f}",
        "" if pair.accuracy_p_value is None else f"{pair.accuracy_p_value:.2g}",
    ]
