"""Runs a search for `apertune search`, and tells how it ended: in words, and by the exit status."""

from __future__ import annotations

import collections
import sys
from typing import TYPE_CHECKING

from ..errors import ApertuneError
from ..text import counted, shown_score
from .closed_terminal import LastingDisplay, unread
from .next_steps import command, data_words, storage_words
from .output import print_json, print_line
from .trial_tables import add_standing, compare_document, print_trials

if TYPE_CHECKING:
    from ..datasets.base import ImageDataset
    from ..search.engine.launch import SearchResult
    from ..search.evaluation.standing import Standing
    from ..search.reports.findings import Findings
    from ..search.settings import Home, SearchSettings
    from ..search.studies.data_source import DataSource

# A shell adds this to the number of the signal that ended a command: 130 after Ctrl-C.
SIGNALLED = 128
ROWS = 10
# The beginning of addresses that `apertune ui` serves.
LOOPBACK = "http://127.0.0.1:"


def run_shown(dataset: ImageDataset, settings: SearchSettings, home: Home, *, reference: bool) -> SearchResult:
    """Searches, with the progress on standard error.

    Args:
        dataset: the data.
        settings: the search.
        home: the folder for its results.
        reference: train the published network first.

    Returns:
        How the search ended, or the reference's training, where that was stopped before the search began.
    """
    from ..search.engine.launch import run
    from ..search.engine.planning import prepare
    from ..search.engine.reference import train_reference

    if reference:
        # Training the reference may take hours, so a search that will be refused is refused before it.
        prepare(dataset, settings, home)
        with LastingDisplay() as display:
            trained = train_reference(dataset, settings, home=home, display=display)
        if trained is not None and trained.stopped:
            return trained
    with LastingDisplay() as display:
        return run(dataset, settings, home=home, display=display)


def judged(result: SearchResult, home: Home) -> tuple[Standing | None, Findings | None]:
    """Judges the trials of a search that was left to its end; a user who stopped one is not kept waiting."""
    if result.signal or result.best is None:
        return None, None
    from ..search.reports.findings import find
    from ..search.reports.study_standing import study_standing
    from ..search.results import read_study

    study = read_study(home, result.study)
    standing = study_standing(home, study)
    return standing, find(study, standing)


def show_end(
    result: SearchResult,
    source: DataSource,
    *,
    as_json: bool,
    standing: Standing | None = None,
    findings: Findings | None = None,
    storage: str | None = None,
    page: str | None = None,
) -> None:
    """Prints the results of a search and the next steps; exits with 128 + the signal that ended the search, if any.

    Args:
        result: the search.
        source: the words that opened its data.
        as_json: print one JSON document and nothing else.
        standing: its trials judged together, if they are.
        findings: what it found, if that is known.
        storage: the studies' database, if it was named by its flag.
        page: the address of its trials in MLflow's pages, if there is one.

    Raises:
        ApertuneError: trials ended and none completed.
    """
    with unread():
        _show(result, standing, findings, as_json=as_json)
        if not as_json:
            _show_next_steps(result, source, storage, page)
        # With --json on standard error, since standard output holds the document alone.
        print_line(outcome_line(result), err=as_json)
    if result.signal:
        sys.exit(SIGNALLED + result.signal)
    if failure := without_complete_trial(result):
        raise ApertuneError(failure)


def _show(result: SearchResult, standing: Standing | None, findings: Findings | None, *, as_json: bool) -> None:
    document = compare_document(result.dataset, result.objectives, result.trials, result.run_ids)
    complete = {
        place: trial["number"] for place, trial in enumerate(document["trials"]) if trial["state"] == "complete"
    }
    add_standing(document, standing, complete)
    if not as_json:
        title = f"Study {result.study}: {counted(result.finished, 'trial')}, best first"
        # The parameters would push all this out of a terminal's window.
        print_trials(document, title=title, most=ROWS, with_params=False)
        for line in findings.lines() if findings else ():
            print_line(line)
        return
    about = {
        "study": result.study,
        "finished": result.finished,
        "target": result.target,
        "stopped": result.stopped,
        "ended": result.ended or None,
    }
    print_json({**about, **document, "found": findings.to_dict() if findings else None})


def _show_next_steps(result: SearchResult, source: DataSource, storage: str | None, page: str | None) -> None:
    where = storage_words(storage)
    print_line(f"Compare:  {command('compare', result.dataset, *where)}")
    print_line(f"Report:   {command('report', result.study, *where)}")
    _show_mlflow(result.study, page)
    if result.best is not None:
        print_line(f"Promote:  {command('promote', *data_words(source), '--study', result.study, *where)}")


def _show_mlflow(study: str, page: str | None) -> None:
    """Prints how to see a study in MLflow: the address of its trials, and the command that serves it here."""
    if page is None:
        print_line("MLflow:   apertune ui")
    elif page.startswith(LOOPBACK):
        print_line(f"MLflow:   apertune ui {study}, which serves this study's trials, best first, at")
        print_line(f"          {page}")
    else:
        print_line(f"MLflow:   {page}")


def outcome_line(result: SearchResult, stopped: str = "Stopped at {}; the same command goes on with it.") -> str:
    """Returns one line on how the search ended.

    Args:
        result: The search.
        stopped: The words for one that was stopped, with a place for how far it came.
    """
    count = counted(result.target, "trial")
    line = f"Done: {count}."
    if result.stopped:
        line = stopped.format(f"{result.finished} of {count}")
    elif result.ended:
        line = f"Ended at {result.finished} of {count}: {result.ended}."
    if result.best is not None:
        line += f" Best: trial {result.best.number}, {result.objective} {shown_score(result.best.value)} on validation."
    return line


def without_complete_trial(result: SearchResult) -> str:
    """Returns the outcomes of the trials where some ended and none is complete; empty otherwise."""
    ended = [trial for trial in result.trials if trial.has_ended]
    if not ended or any(trial.state == "complete" for trial in ended):
        return ""
    outcomes = ("pruned", "infeasible", "failed")
    counts = collections.Counter(trial.state for trial in ended if not trial.over_limit)
    told = [f"{counts[outcome]} {outcome}" for outcome in outcomes if counts[outcome]]
    if over_limit := sum(trial.over_limit for trial in ended):
        told.append(f"{over_limit} infeasible over a limit")
    last = ended[-1]
    reason = f"; the last, trial {last.number}: {last.reason}" if last.reason else ""
    return f"no trial completed: {', '.join(told)}{reason}"
