"""`apertune compare`: a data set's trials side by side."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from ..errors import StudyError
from .output import json_option, print_json, print_table

if TYPE_CHECKING:
    from ..search.launch import SearchResult
    from ..search.settings import Home
    from ..search.study import TrialRecord

LONGEST_VALUE = 14


@click.command()
@click.argument("dataset")
@click.option("--study", help="Only this study. [default: all of the data set with the latest one's objective]")
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Rows of the table.")
@click.option("--storage", help="Optuna storage URL of the studies. [default: mlflow/studies.db]")
@json_option
def compare(dataset: str, study: str | None, top: int, storage: str | None, as_json: bool) -> None:
    """A data set's trials, best first, with the parameters that differ and their MLflow runs."""
    from ..search.results import read_studies
    from ..search.settings import make_home

    every = read_studies(make_home(os.environ, storage=storage))
    chosen = [result for result in every if result.definition.dataset == dataset and study in (None, result.name)]
    if not chosen:
        known = sorted({result.definition.dataset for result in every})
        have = f"there are trials of: {', '.join(known)}" if known else "start with: apertune search digits"
        raise StudyError(f"no trials of data set '{dataset}'{f' in study {study!r}' if study else ''}; {have}")
    latest = max(chosen, key=lambda result: (result.owner is not None, len(result.trials)))
    same = [result for result in chosen if result.definition.objective == latest.definition.objective]
    trials = [(result.name, trial, result.run_ids.get(trial.number)) for result in same for trial in result.trials]
    document = _document(dataset, latest.definition.objective, latest.definition.direction, trials)
    if as_json:
        print_json(document)
    else:
        print_trials(document, title=f"{dataset}: {len(trials)} trials by {document['objective']}", most=top)


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
            {
                "number": trial.number,
                "state": trial.state,
                "value": trial.value,
                "metrics": trial.metrics,
                "params": trial.params,
                "epochs": trial.epochs,
                "seconds": round(trial.seconds, 2),
                "run_id": run_id,
                "reason": trial.reason or None,
                **({"study": study} if study else {}),
            }
            for study, trial, run_id in ordered
        ],
    }


def print_trials(document: Mapping[str, Any], *, title: str, most: int) -> None:
    """The table of `compare`: values first, then the parameters in which these trials differ."""
    trials = document["trials"][:most]
    several = len({trial.get("study") for trial in trials}) > 1
    differing = _differing([trial["params"] for trial in trials])
    columns = ["trial", "state", document["objective"], "epochs", "time", *differing, "MLflow run"]
    rows = []
    for trial in trials:
        number = f"{trial['study']} {trial['number']}" if several else trial["number"]
        value = "" if trial["value"] is None else f"{trial['value']:.4f}"
        params = [_short(trial["params"].get(name)) for name in differing]
        rows.append([number, trial["state"], value, trial["epochs"], f"{trial['seconds']:.0f} s", *params])
        rows[-1].append((trial["run_id"] or "")[:8])
    print_table(columns, rows, title=title)
    if len(document["trials"]) > most:
        click.echo(f"and {len(document['trials']) - most} more (--json shows all)")


def show_next_steps(result: SearchResult, dataset: str, home: Home) -> None:
    """The last lines of a search: how it ended, and what to do with it."""
    if result.stopped:
        click.echo(
            f"Stopped at {result.finished} of {result.target} trials; the same command goes on, or: "
            f"apertune search {dataset} --study {result.study}"
        )
    if result.best is not None:
        click.echo(f"Best: trial {result.best.number}, {result.objective} {result.best.value:.4f} on validation.")
    click.echo(f"Compare:  apertune compare {dataset}")
    click.echo("MLflow:   apertune ui")


def _differing(params: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for values in params for name in values))
    return [name for name in names if len({str(values.get(name)) for values in params}) > 1]


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
