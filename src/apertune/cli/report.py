"""`apertune report`: a study on one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from .completion import studies_or_data_sets
from .output import json_option, print_json, print_line
from .storage_option import storage_option
from .study_choice import one_study
from .to_option import to_option


@click.command()
@click.argument("study", metavar="STUDY|DATASET", shell_complete=studies_or_data_sets)
@to_option("output", "Write the report to this file. [default: STUDY-report.html in this folder]", before="--output")
@storage_option
@json_option
def report(study: str, output: Path | None, storage: str | None, as_json: bool) -> None:
    """Write the report of a study: one HTML page that works without a network.

    For a data set, write that of its only study.
    """
    from ..search.reports.sources import write_study_report
    from ..search.settings import make_home

    home = make_home(os.environ, storage=storage)
    study = one_study(home, study).name
    page = output or Path(f"{study.replace('/', '_')}-report.html")
    missing = write_study_report(home, study, page)
    tell_missing(missing)
    if as_json:
        print_json({"study": study, "report": str(page.resolve()), "missing": missing})
    else:
        print_line(f"Report written: {page}")


def tell_missing(parts: Sequence[str]) -> None:
    """Prints one line on the parts that a report lacks, to standard error; nothing if it lacks none."""
    if parts:
        print_line(f"The report lacks parts of the best trial: {'; '.join(parts)}", err=True)
