"""`apertune compare`: a data set's trials side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError, StudyError
from .output import json_option, print_json, print_table

if TYPE_CHECKING:
    from ..search.launch import SearchResult
    from ..search.results import StudyResult
    from ..search.settings import Home
    from ..search.study import TrialRecord

LONGEST_VALUE = 14
COMPARED_SIDE_BY_SIDE = 6


@click.command()
@click.argument("dataset")
@click.option("--study", help="Only this study. [default: all of the data set with the latest one's objective]")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Rows of the table.")
@click.option("--trials", metavar="N,N,…", help="Only these, and whether their differences are real.")
@click.option("--to", "page", type=click.Path(dir_okay=False, path_type=Path), help="With --trials: also as HTML.")
@click.option("--storage", help="Optuna storage URL of the studies. [default: mlflow/studies.db]")
@json_option
def compare(
    dataset: str, study: str | None, top: int, trials: str | None, page: Path | None, storage: str | None, as_json: bool
) -> None:
    """A data set's trials, best first, with the parameters that differ and their MLflow runs.

    With --trials 3,7,12 those trials side by side: differing parameters first, then McNemar's test (the paired
    bootstrap for several labels) of each pair on the validation images.
    """
    from ..search.results import read_studies
    from ..search.settings import make_home

    home = make_home(os.environ, storage=storage)
    every = read_studies(home)
    chosen = [result for result in every if result.definition.dataset == dataset and study in (None, result.name)]
    if not chosen:
        known = sorted({result.definition.dataset for result in every})
        have = f"there are trials of: {', '.join(known)}" if known else "start with: apertune search digits"
        raise StudyError(f"no trials of data set '{dataset}'{f' in study {study!r}' if study else ''}; {have}")
    if trials is not None:
        from .compare_chosen import compare_chosen

        compare_chosen(home, chosen, trials, page=page, as_json=as_json)
        return
    if page is not None:
        raise SettingError("--to writes a page of chosen trials; name them with --trials 3,7,12")
    document = _latest_document(dataset, chosen)
    if as_json:
        print_json(document)
    else:
        print_trials(
            document, title=f"{dataset}: {len(document['trials'])} trials by {document['objective']}", most=top
        )
        _print_left_out(document, chosen)


def _latest_document(dataset: str, chosen: list[StudyResult]) -> dict[str, Any]:
    """The trials of the latest study, and of all others that had the same objective on the same data."""
    from ..search.reference import is_reference

    latest = max(chosen, key=lambda result: (result.owner is not None, not is_reference(result), result.updated))
    about = latest.definition
    same = [
        result
        for result in chosen
        if (result.definition.objective, result.definition.fingerprint) == (about.objective, about.fingerprint)
    ]
    references, searches = [r for r in same if is_reference(r)], [r for r in same if not is_reference(r)]
    document = _document(dataset, about.objective, about.direction, _entries(searches or references))
    if searches and references:
        document["reference"] = _document(dataset, about.objective, about.direction, _entries(references))["trials"][0]
    return document


def _entries(studies: list[StudyResult]) -> list[tuple[str | None, TrialRecord, str | None]]:
    return [(result.name, trial, result.run_ids.get(trial.number)) for result in studies for trial in result.trials]


def _print_left_out(document: Mapping[str, Any], chosen: list[StudyResult]) -> None:
    shown = {trial["study"] for trial in document["trials"]} | {document.get("reference", {}).get("study")}
    left_out = [result.name for result in chosen if result.name not in shown and result.trials]
    if left_out:
        click.echo(f"On other data or with another objective: {', '.join(left_out)} (--study shows one)")


def compare_document(
    dataset: str, objective: str, direction: str, trials: Iterable[TrialRecord], run_ids: Mapping[int, str]
) -> dict[str, Any]:
    """One study's trials as `compare --json` shows them."""
    return _document(dataset, objective, direction, [(None, trial, run_ids.get(trial.number)) for trial in trials])


def _document(
    dataset: str, objective: str, direction: str, trials: Sequence[tuple[str | None, TrialRecord, str | None]]
) -> dict[str, Any]:
    from ..search.results import rank

    ordered = sorted(trials, key=lambda entry: rank(entry[1], direction))
    return {
        "dataset": dataset,
        "objective": objective,
        "direction": direction,
        "trials": [
            {**trial_document(trial, run_id), **({"study": study} if study else {})} for study, trial, run_id in ordered
        ],
    }


def trial_document(trial: TrialRecord, run_id: str | None) -> dict[str, Any]:
    """One trial as JSON shows it."""
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "metrics": trial.metrics,
        "params": trial.params,
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 2),
        "run_id": run_id,
        "reason": trial.reason or None,
    }


def print_trials(document: Mapping[str, Any], *, title: str, most: int) -> None:
    """The tables of `compare`: trials best first, then the parameters in which the first of them differ."""
    trials = document["trials"][:most]
    columns = ["trial", "state", document["objective"], "epochs", "time", "MLflow run", "reason"]
    rows = [[_label(trial, trials), *_cells(trial)] for trial in trials]
    if (reference := document.get("reference")) is not None:
        rows.append(["reference", *_cells(reference)])
    print_table(columns, rows, title=title)
    if len(document["trials"]) > most:
        click.echo(f"and {len(document['trials']) - most} more (--json shows all)")
    _print_differing(trials[:COMPARED_SIDE_BY_SIDE])


def _cells(trial: Mapping[str, Any]) -> list[object]:
    value = "" if trial["value"] is None else f"{trial['value']:.4f}"
    return [trial["state"], value, trial["epochs"], f"{trial['seconds']:.0f} s", trial["run_id"], trial["reason"]]


def _print_differing(trials: list[dict[str, Any]]) -> None:
    differing = _differing([trial["params"] for trial in trials])
    if differing:
        rows = [[name, *(short(trial["params"].get(name)) for trial in trials)] for name in differing]
        labels = [f"trial {_label(trial, trials)}" for trial in trials]
        print_table(["parameter", *labels], rows, title="What differs between the first of them")


def _label(trial: Mapping[str, Any], among: list[dict[str, Any]]) -> str:
    several = len({other.get("study") for other in among}) > 1
    return f"{trial['study']} {trial['number']}" if several else str(trial["number"])


def show_next_steps(result: SearchResult, dataset: str, home: Home) -> None:
    """The last lines of a search: how it ended, and what to do with it."""
    if result.stopped:
        click.echo(
            f"Stopped at {result.finished} of {result.target} trials; the same command goes on, or: "
            f"apertune search {dataset} --study {result.study}"
        )
    if result.best is not None:
        click.echo(f"Best: trial {result.best.number}, {result.objective} {result.best.value:.4f} on validation.")
    click.echo(f"Compare:  apertune compare {result.dataset}")
    click.echo("MLflow:   apertune ui")
    if result.best is not None:
        click.echo(f"Promote:  apertune promote {dataset}, with the same flags for the data")


def _differing(params: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for values in params for name in values))
    return [name for name in names if len({str(values.get(name)) for values in params}) > 1]


def short(value: Any) -> str:
    """A parameter's value, cut to what a table's cell holds; empty where a trial does not have it."""
    if value is None:
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
