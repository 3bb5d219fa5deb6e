"""`apertune report`: a study as one page."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import StudyError
from .output import json_option, print_json

if TYPE_CHECKING:
    from ..search.results import StudyResult
    from ..search.settings import Home


@click.command()
@click.argument("study")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write. [default: STUDY-report.html in this folder]",
)
@click.option("--storage", help="Optuna storage URL of the studies. [default: mlflow/studies.db]")
@json_option
def report(study: str, output: Path | None, storage: str | None, as_json: bool) -> None:
    """Write a study's report: one HTML page that needs no network."""
    from datetime import datetime

    from ..search.report import write_report
    from ..search.report_sources import collect_report
    from ..search.results import read_study
    from ..search.settings import make_home

    home = make_home(os.environ, storage=storage)
    result = read_study(home, study)
    target = output or Path(f"{study.replace('/', '_')}-report.html")
    with tempfile.TemporaryDirectory() as folder:
        missing = _fetch_best_trial(home, result, Path(folder))
        created = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
        page = write_report(collect_report(home, study, files=Path(folder), created=created), target)
    if missing:
        click.echo(f"Without these parts of the best trial: {'; '.join(missing)}", err=True)
    if as_json:
        print_json({"study": study, "report": str(page.resolve()), "missing": missing})
    else:
        click.echo(f"Report written: {page}")


def _fetch_best_trial(home: Home, result: StudyResult, folder: Path) -> list[str]:
    """Copies the best trial's files into the folder; returns a line for each that cannot be had."""
    from ..search.mlflow_models import fetch_run_file
    from ..search.report import best_first
    from ..search.report_sources import FILES

    complete = best_first(result.trials, result.definition.direction)
    if not complete:
        return []
    run = result.run_ids.get(complete[0].number)
    if run is None:
        return [f"trial {complete[0].number} has no MLflow run yet (apertune sync sends what is kept)"]
    missing = []
    for file in FILES:
        try:
            fetch_run_file(run, file, home.tracking_uri, folder)
        except StudyError as error:
            missing.append(str(error))
    return missing
