"""`apertune compare`: the trials of a data set in one table, or chosen ones side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from ..text import counted
from .completion import studies_or_data_sets
from .output import json_option, print_json, print_line
from .storage_option import storage_option
from .study_choice import studies_of
from .to_option import to_option
from .trial_tables import add_standing, print_trials, trials_document

if TYPE_CHECKING:
    from ..search.results import StudyResult
    from ..search.settings import Home
    from ..search.studies.trial_records import TrialRecord


@click.command()
@click.argument("dataset", metavar="DATASET|STUDY", shell_complete=studies_or_data_sets)
@click.option(
    "--study", help="Show only this study. [default: all studies that agree with the latest one in data and objectives]"
)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, help="Show this many trials at most.")
@click.option(
    "--trials",
    metavar="N,N,…",
    help="Compare these trials, as N or STUDY:N, and test whether their differences are real.",
)
@to_option("page", "Write the comparison of --trials to this HTML file, too.")
@click.option("--all-columns", is_flag=True, help="Show every column, even where the terminal is too narrow.")
@storage_option
@json_option
def compare(
    dataset: str,
    study: str | None,
    top: int,
    trials: str | None,
    page: Path | None,
    all_columns: bool,
    storage: str | None,
    as_json: bool,
) -> None:
    """Compare the trials of a data set or a study, best first, with the parameters that differ.

    With --trials 3,7,12 show those trials side by side: the parameters that differ first, then a paired test of the
    objective for each pair, image by image or, with --folds and --repeats, round by round. Trials of several studies,
    such as the published reference, are written STUDY:N.
    """
    from ..search.results import read_studies
    from ..search.settings import make_home

    home = make_home(os.environ, storage=storage)
    every = read_studies(home)
    chosen = studies_of(home, every, dataset, study)
    dataset = chosen[0].definition.dataset
    if trials is not None:
        from .compare_chosen import compare_chosen

        of_dataset = [result for result in every if result.definition.dataset == dataset]
        compare_chosen(home, of_dataset, chosen, trials, page=page, as_json=as_json)
        return
    if page is not None:
        raise SettingError(
            "--to writes a page about chosen trials, but got no --trials; name some, such as --trials 3,7,12"
        )
    document = latest_document(home, dataset, chosen)
    if as_json:
        print_json(document)
    else:
        count = counted(len(document["trials"]), "trial")
        print_trials(
            document, title=f"{dataset}: {count} by {document['objective']}", most=top, all_columns=all_columns
        )
        _print_left_out(document, chosen)


def latest_document(home: Home, dataset: str, chosen: list[StudyResult]) -> dict[str, Any]:
    """Returns the trials of the latest study and of all others with the same objectives on the same data."""
    from ..search.reports.study_standing import common_standing
    from ..search.results import is_reference

    latest = max(chosen, key=lambda result: (result.owner is not None, not is_reference(result), result.updated))
    about = latest.definition
    same = [
        result
        for result in chosen
        if (result.definition.objectives, result.definition.fingerprint) == (about.objectives, about.fingerprint)
        or (
            is_reference(result)
            and result.definition.fingerprint == about.fingerprint
            and result.definition.objective == about.objective
        )
    ]
    references, searches = [r for r in same if is_reference(r)], [r for r in same if not is_reference(r)]
    compared = searches or references
    document = trials_document(dataset, about.objectives, _entries(compared))
    complete = [place for place, trial in enumerate(document["trials"]) if trial["state"] == "complete"]
    records = {(result.name, trial.number): (result, trial) for result in compared for trial in result.trials}
    judged = [records[identity] for identity in _identities(document, complete)]
    add_standing(document, common_standing(home, judged), {place: key for key, place in enumerate(complete)})
    if searches and references:
        document["reference"] = trials_document(dataset, about.objectives, _entries(references))["trials"][0]
    return document


def _identities(document: Mapping[str, Any], places: list[int]) -> list[tuple[str, int]]:
    return [(document["trials"][place]["study"], document["trials"][place]["number"]) for place in places]


def _entries(studies: list[StudyResult]) -> list[tuple[str | None, TrialRecord, str | None]]:
    return [(result.name, trial, result.run_ids.get(trial.number)) for result in studies for trial in result.trials]


def _print_left_out(document: Mapping[str, Any], chosen: list[StudyResult]) -> None:
    shown = {trial["study"] for trial in document["trials"]} | {document.get("reference", {}).get("study")}
    left_out = [result.name for result in chosen if result.name not in shown and result.trials]
    if left_out:
        print_line(
            f"Not shown, on other data or with other objectives: {', '.join(left_out)} (show one with --study NAME)"
        )
