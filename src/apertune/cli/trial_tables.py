"""Trials as commands show them: tables for a reader, documents for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..text import shown_number, shown_score
from .output import natural_width, print_line, print_table, table_width

if TYPE_CHECKING:
    from ..search.evaluation.direction import Direction
    from ..search.evaluation.standing import Standing
    from ..search.studies.trial_records import TrialRecord

LONGEST_VALUE = 14
COMPARED_SIDE_BY_SIDE = 6


def compare_document(
    dataset: str,
    objectives: Sequence[tuple[str, Direction]],
    trials: Iterable[TrialRecord],
    run_ids: Mapping[int, str],
) -> dict[str, Any]:
    """Returns one study's trials as `compare --json` shows them."""
    return trials_document(dataset, objectives, [(None, trial, run_ids.get(trial.number)) for trial in trials])


def trials_document(
    dataset: str,
    objectives: Sequence[tuple[str, Direction]],
    trials: Sequence[tuple[str | None, TrialRecord, str | None]],
) -> dict[str, Any]:
    """Returns the trials of one or several studies as `compare --json` shows them, best first.

    Args:
        dataset: Name of the data set.
        objectives: Names and directions of the studies' objectives.
        trials: Each trial with its study's name, unless there is only one study, and its MLflow run.
    """
    from ..search.results import rank

    objective, direction = objectives[0]
    ordered = sorted(trials, key=lambda entry: rank(entry[1], direction))
    document: dict[str, Any] = {"dataset": dataset, "objective": objective, "direction": direction}
    entries = [
        {**trial_document(trial, run_id), **({"study": study} if study else {})} for study, trial, run_id in ordered
    ]
    if len(objectives) > 1:
        document["objectives"] = [{"name": name, "direction": aim} for name, aim in objectives]
        _mark_front(entries, [trial for _, trial, _ in ordered], objectives)
    return {**document, "trials": entries}


def _mark_front(
    entries: list[dict[str, Any]], trials: Sequence[TrialRecord], objectives: Sequence[tuple[str, Direction]]
) -> None:
    """Adds to each trial the values of all objectives, and whether it is on the Pareto front."""
    from ..search.results import pareto_front

    # Trials of several studies may have the same number, so here they are told apart by their places.
    front = pareto_front([replace(trial, number=place) for place, trial in enumerate(trials)], objectives)
    for place, (entry, trial) in enumerate(zip(entries, trials, strict=True)):
        others = {name: trial.value_of(name) for name, _ in objectives[1:]}
        entry |= {"values": {objectives[0][0]: trial.value, **others}, "pareto": place in front}


def add_standing(document: dict[str, Any], standing: Standing | None, keys: Mapping[int, int]) -> None:
    """Adds intervals to the trials of a document, and what can be said of the best one.

    Args:
        document: What `trials_document` returned.
        standing: The trials judged together; None where they cannot be.
        keys: Each trial's key in the standing, by its place in the document.
    """
    if standing is None:
        return
    trials = document["trials"]
    entries = {key: trials[place] for place, key in keys.items()}
    for key, entry in entries.items():
        interval = standing.intervals.get(key)
        entry["interval"] = [interval.low, interval.high] if interval else None
        entry["fault"] = standing.weak.get(key)
        entry["tied_with_best"] = key in standing.tied
    names = {key: _label(entry, trials) for key, entry in entries.items()}
    objective = document["objective"]
    document["standing"] = {
        "best": _identified(entries[standing.best]),
        "value": standing.value,
        "corrected": standing.corrected,
        "tied": [_identified(entries[key]) for key in standing.tied],
        "smallest": _identified(entries[standing.smallest]),
        "smallest_parameters": standing.parameters or None,
        "lines": standing.lines(objective, names),
    }


def _identified(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in ("study", "number") if name in entry}


def print_standing(document: Mapping[str, Any]) -> None:
    """Prints what can be said of the best trials, warnings in colour where the terminal has it."""
    for line in document.get("standing", {}).get("lines", ()):
        print_line(line, warning=line.startswith("WARNING"))


def trial_document(trial: TrialRecord, run_id: str | None) -> dict[str, Any]:
    """Returns one trial as JSON shows it."""
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "metrics": trial.metrics,
        "cost": trial.cost,
        "round_values": trial.round_values,
        "params": trial.params,
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 2),
        "run_id": run_id,
        "reason": trial.reason or None,
        "origin": trial.origin or None,
    }


def print_trials(
    document: Mapping[str, Any], *, title: str, most: int, all_columns: bool = False, with_params: bool = True
) -> None:
    """Prints the tables of `compare`: trials, best first, then the parameters in which the best of them differ.

    Args:
        document: What `trials_document` returned.
        title: A line above the first table.
        most: The most trials to show.
        all_columns: Print every column, however narrow the terminal.
        with_params: Print the second table, too.
    """
    trials = document["trials"][:most]
    names = [objective["name"] for objective in document.get("objectives", ())][1:]
    front = ["front"] if names else []
    interval = ["95 % interval"] if "standing" in document else []
    objective = document["objective"]
    columns = ["trial", "state", objective, *interval, *names, *front, "epochs", "time", "MLflow run", "reason"]
    rows = [[_label(trial, trials), *_cells(trial, names, interval)] for trial in trials]
    if (reference := document.get("reference")) is not None:
        rows.append(["reference", *_cells(reference, names, interval)])
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    left_out = print_table(columns, rows, title=title, dispensable=() if all_columns else _dispensable(names))
    if left_out:
        print_line(f"Left out, since the terminal is narrow: {', '.join(left_out)} (--all-columns shows them)")
    if len(document["trials"]) > most:
        print_line(f"and {len(document['trials']) - most} more (--json shows all)")
    print_standing(document)
    if with_params:
        _print_differing(trials[:COMPARED_SIDE_BY_SIDE], all_columns=all_columns)


def _dispensable(more_objectives: Sequence[str]) -> list[str]:
    return ["MLflow run", "time", "epochs", "reason", "95 % interval", *reversed(more_objectives)]


def _cells(trial: Mapping[str, Any], more_objectives: Sequence[str], interval: Sequence[str]) -> list[object]:
    """Returns a row without its label; with several objectives, a star marks the trials on the Pareto front."""
    others = [_number(trial.get("values", {}).get(name)) for name in more_objectives]
    front = ["*" if trial.get("pareto") else ""] if more_objectives else []
    return [
        trial["state"],
        shown_score(trial["value"]),
        *([_shown_interval(trial.get("interval"))] if interval else []),
        *others,
        *front,
        trial["epochs"],
        shown_seconds(trial["seconds"]),
        trial["run_id"],
        _shown_reason(trial),
    ]


def _shown_reason(trial: Mapping[str, Any]) -> str:
    """Returns why a trial ended as it did; empty where its state and its epochs say so already."""
    reason = trial["reason"] or ""
    return "" if reason == f"{trial['state']} after epoch {trial['epochs']}" else reason


def _shown_interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{interval[0]:.4f} to {interval[1]:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else shown_number(value)


def _print_differing(trials: list[dict[str, Any]], *, all_columns: bool) -> None:
    """Prints the parameters that differ among as many of the trials as fit side by side, at least two."""
    while True:
        columns = ["parameter", *(f"trial {_label(trial, trials)}" for trial in trials)]
        rows = _differing_rows(trials)
        if all_columns or len(trials) <= 2 or natural_width(columns, rows) <= table_width():
            break
        trials = trials[:-1]
    if rows:
        print_table(columns, rows, title=f"Parameters that differ among the first {len(trials)}")


def _differing_rows(trials: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    from ..search.evaluation.comparison import parameter_rows

    rows = parameter_rows([trial["params"] for trial in trials])
    return [[row.name, *map(short, row.values)] for row in rows if row.differs]


def _label(trial: Mapping[str, Any], among: list[dict[str, Any]]) -> str:
    several = len({other.get("study") for other in among}) > 1
    return f"{trial['study']} {trial['number']}" if several else str(trial["number"])


def shown_seconds(seconds: float) -> str:
    """Returns the time of a trial as tables show it."""
    return f"{seconds:.0f} s"


def short(value: Any) -> str:
    """Returns a parameter's value, cut to the width of a table's cell; empty where a trial does not have it."""
    if value is None:
        return ""
    text = shown_number(value, digits=3) if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
