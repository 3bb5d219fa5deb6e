"""`apertune report`: a study on one page."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..files.scratch import scratch_folder
from .output import json_option, print_json, print_line
from .storage_option import storage_option


@click.command()
@click.argument("study")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report to this file. [default: STUDY-report.html in this folder]",
)
@storage_option
@json_option
def report(study: str, output: Path | None, storage: str | None, as_json: bool) -> None:
    """Write the report of a study: one HTML page that works without a network."""
    from ..search.reports.report import write_report
    from ..search.reports.sources import collect_report, fetch_best_files, written_now
    from ..search.settings import make_home

    home = make_home(os.environ, storage=storage)
    target = output or Path(f"{study.replace('/', '_')}-report.html")
    with scratch_folder("report") as folder:
        missing = fetch_best_files(home, study, folder)
        page = write_report(collect_report(home, study, files=folder, created=written_now()), target)
    if missing:
        print_line(f"The report lacks parts of the best trial: {'; '.join(missing)}", err=True)
    if as_json:
        print_json({"study": study, "report": str(page.resolve()), "missing": missing})
    else:
        print_line(f"Report written: {page}")
