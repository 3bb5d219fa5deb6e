"""`apertune rerun`: repeats a trial from what MLflow recorded of it."""

from __future__ import annotations

import math
import os
from typing import Any

import click

from ..errors import ApertuneError
from .dataset_options import dataset_options, load_from, name_option
from .output import json_option, print_json, print_table


@click.command()
@click.argument("run_id")
@click.argument("dataset")
@dataset_options
@name_option
@click.option("--tolerance", type=float, help="Fail when a number differs by more than this.")
@json_option
def rerun(run_id: str, dataset: str, tolerance: float | None, as_json: bool, **flags: Any) -> None:
    """Train the trial of an MLflow run again and compare its numbers with those recorded.

    RUN_ID is the run's in MLflow (apertune compare shows it), DATASET and its flags are the search's. Same data,
    values, seed and budget; nothing is logged.
    """
    from ..search.engine.rerunning import rerun as train_again
    from ..search.settings import make_home
    from ..search.tracking.mlflow_store import read_run

    home = make_home(os.environ)
    # Before any data is read, which may take minutes.
    read_run(run_id, home.tracking_uri)
    loaded = load_from(dataset, flags)
    done = train_again(loaded, run_id, home=home, say=lambda line: click.echo(line, err=True))
    difference = done.largest_difference
    if as_json:
        print_json(
            {
                "run_id": run_id,
                "state": done.state,
                "recorded": done.recorded,
                "again": done.again,
                "largest_difference": None if math.isnan(difference) else difference,
                "packages": list(done.packages),
            }
        )
    else:
        rows = [
            [name, f"{value:.6f}", f"{done.again[name]:.6f}", f"{done.again[name] - value:+.2g}"]
            for name, value in done.recorded.items()
            if name in done.again
        ]
        print_table(["", "recorded", "again", "difference"], rows, title=f"Run {run_id}, trained again")
        for line in done.packages:
            click.echo(f"Another version: {line}")
    if tolerance is not None and not difference <= tolerance:
        raise ApertuneError(f"a number differs by {difference:.3g}, more than --tolerance {tolerance:g}")
