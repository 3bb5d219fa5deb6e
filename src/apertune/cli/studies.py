"""`apertune studies`, `status`, `stop`, `sync`: lists searches, stops running ones, and sends their results."""

from __future__ import annotations

import collections
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..errors import ApertuneError, StudyError
from ..text import counted, shown_score
from .completion import studies_or_data_sets
from .output import json_option, print_json, print_line, print_table
from .storage_option import storage_option
from .study_choice import no_studies, one_study

if TYPE_CHECKING:
    from ..search.results import StudyResult
    from ..search.settings import Home

# `stop` waits this long before it says that it is waiting.
QUIET_S = 2.0


@click.command()
@storage_option
@json_option
def studies(storage: str | None, as_json: bool) -> None:
    """List the studies in this folder."""
    from ..search.results import read_studies

    home = _home(storage)
    found = [study_document(result) for result in read_studies(home)]
    if as_json:
        print_json({"studies": found})
        return
    if not found:
        print_line(f"There are {no_studies(home)}")
        return
    columns = ["study", "dataset", "space", "objective", "best", "trials", "running now"]
    rows = [
        [
            entry["study"],
            entry["dataset"],
            entry["space"],
            entry["objective"],
            shown_score(entry["best"] and entry["best"]["value"]),
            _progress(entry),
            "yes" if entry["owner"] else "no",
        ]
        for entry in found
    ]
    print_table(columns, rows)


@click.command()
@click.argument("study", metavar="STUDY|DATASET", shell_complete=studies_or_data_sets)
@storage_option
@json_option
def status(study: str, storage: str | None, as_json: bool) -> None:
    """Show the state of a study and its running trials.

    For a data set, show its only study, or the one that is being searched.
    """
    result = one_study(_home(storage), study, clear=_is_searched)
    study = result.name
    described = study_document(result)
    if as_json:
        print_json(described)
        return
    owner = f"searched by {result.owner.words()}" if result.owner else "not running"
    states = ", ".join(f"{count} {state}" for state, count in described["states"].items()) or "none"
    if described["over_limit"]:
        states += f"; {described['over_limit']} infeasible, over a limit, not counted"
    print_line(f"Study {study}: {owner}")
    print_line(f"Trials: {described['finished']} of {described['target']} finished ({states})")
    if described["best"]:
        number, value = described["best"]["number"], described["best"]["value"]
        print_line(f"Best: trial {number}, {described['objective']} {shown_score(value)}")
    for trial in (*described["running"], *described["interrupted"]):
        print_line(_place(trial, described))
    if result.problem:
        print_line(f"MLflow does not take results now ({result.problem}); they are kept, and sent later.")
    if result.held:
        print_line(result.held)


@click.command()
@click.argument("study", metavar="STUDY|DATASET", shell_complete=studies_or_data_sets)
@storage_option
def stop(study: str, storage: str | None) -> None:
    """End a running search, and wait for it: running trials end their epoch and go on with the next search."""
    from ..search.studies.storage.ownership import read_owner

    home = _home(storage)
    found = one_study(home, study, clear=_is_searched)
    study, owner = found.name, found.owner
    if owner is None:
        raise StudyError(f"study '{study}' is not being searched; nothing to stop")
    folder = home.study_folder(study)
    if not folder.is_dir() or read_owner(folder) is None:
        raise StudyError(f"study '{study}' is searched from another folder, by {owner.words()}; stop it from there")
    home.ask_to_stop(study)
    told_at = time.monotonic() + QUIET_S
    while read_owner(folder) is not None:
        if time.monotonic() > told_at:
            print_line("Waiting for the running epochs to end; the search stops without this command, too.", err=True)
            told_at = math.inf
        time.sleep(0.2)
    print_line(f"Study {study} has stopped.")


@click.command()
@storage_option
@json_option
def sync(storage: str | None, as_json: bool) -> None:
    """Send MLflow the results that it could not take before, as after a crash or while the server was down."""
    from ..search.tracking.tracking_address import check_tracking

    home = _home(storage)
    check_tracking(home)
    outcome = send_waiting(home, lambda line: print_line(line, err=True))
    left = sum(outcome.values())
    if as_json:
        print_json({"studies": outcome, "unsent_bytes": left})
    elif not outcome:
        print_line("Nothing was left to send.")
    elif not left:
        print_line(f"Sent what was left of {counted(len(outcome), 'study', 'studies')}.")
    if left:
        behind = ", ".join(name for name, unsent in outcome.items() if unsent)
        raise ApertuneError(f"{left:,} bytes of {behind} could not be sent; they are kept: apertune sync goes on there")


def send_waiting(home: Home, say: Callable[[str], None]) -> dict[str, int]:
    """Sends what waits in the outboxes of studies that no search works on; returns the bytes left, by study.

    Args:
        home: Where studies are.
        say: Takes lines for a person.
    """
    from ..search.sending.sender_process import SenderProcess
    from ..search.studies.storage.ownership import read_owner
    from ..search.tracking.outbox import unsent_bytes

    left: dict[str, int] = {}
    for path in sorted(home.root.glob("studies/*/outbox.jsonl")):
        if unsent_bytes(path) and read_owner(path.parent) is None:
            with SenderProcess(path, home, say) as sender:
                left[path.parent.name] = sender.finish()
    return left


def _home(storage: str | None) -> Home:
    from ..search.settings import make_home

    return make_home(os.environ, storage=storage)


def _is_searched(study: StudyResult) -> bool:
    return study.owner is not None


def _place(trial: Mapping[str, Any], study: Mapping[str, Any]) -> str:
    """Returns one line on where an unfinished trial stands."""
    value = "" if trial["value"] is None else f", {study['objective']} {shown_score(trial['value'])}"
    if trial in study["running"]:
        return f"Running: trial {trial['number']}, epoch {trial['epoch']} of {study['epochs']}{value}"
    place = f"Interrupted: trial {trial['number']}, after epoch {trial['epoch']} of {study['epochs']}{value}"
    return f"{place}; it goes on with the next search"


def _progress(study: Mapping[str, Any]) -> str:
    """Returns the count of finished trials and of those that are not counted, for a cell of a table."""
    interrupted, over_limit = len(study["interrupted"]), study["over_limit"]
    told = [f"{study['finished']}/{study['target']}"]
    told += [f"{interrupted} interrupted"] if interrupted else []
    told += [f"{over_limit} over a limit"] if over_limit else []
    return ", ".join(told)


def study_document(result: StudyResult) -> dict[str, Any]:
    """Returns a study as JSON shows it; `states` counts all trials but those over a limit."""
    states = collections.Counter(trial.state for trial in result.trials if not trial.over_limit)
    best = next((trial for trial in result.best_first() if trial.state == "complete"), None)
    return {
        "study": result.name,
        "dataset": result.definition.dataset,
        "space": result.definition.space,
        "objective": result.definition.objective,
        "direction": result.definition.direction,
        "epochs": result.definition.epochs,
        "finished": result.finished,
        "target": result.target,
        "states": dict(states),
        "over_limit": sum(trial.over_limit for trial in result.trials),
        "best": None if best is None else {"number": best.number, "value": best.value, "params": best.params},
        "running": _unfinished(result, "running"),
        "interrupted": _unfinished(result, "interrupted"),
        "owner": None if result.owner is None else vars(result.owner),
        "problem": result.problem or None,
        "held": result.held or None,
    }


def _unfinished(result: StudyResult, state: str) -> list[dict[str, Any]]:
    trials = [trial for trial in result.trials if trial.state == state]
    return [{"number": trial.number, "epoch": trial.epochs, "value": trial.value} for trial in trials]
