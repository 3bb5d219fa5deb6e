"""`apertune rerun`: repeats a trial from its record in MLflow."""

from __future__ import annotations

import math
import os
from typing import Any

import click

from ..errors import ApertuneError
from ..search.executors.places import PlaceSettings
from ..settings_fields import declarations
from .completion import promotable
from .dataset_options import dataset_options, load_from, name_option
from .option_groups import GroupedCommand
from .output import json_option, print_json, print_line, print_table
from .recorded_data import recorded_data
from .setting_options import given_flags, made_from, setting_options


@click.command(cls=GroupedCommand)
@click.argument("run_id")
@click.argument("dataset", metavar="DATASET|STUDY", shell_complete=promotable)
@dataset_options
@name_option
@setting_options(declarations(PlaceSettings).values())
@click.option("--tolerance", type=float, help="Fail when a number differs by more than this.")
@json_option
def rerun(run_id: str, dataset: str, tolerance: float | None, as_json: bool, **flags: Any) -> None:
    """Train the trial of an MLflow run again, and compare its numbers with those recorded.

    RUN_ID is the trial's run in MLflow (apertune compare shows it); DATASET and its flags are those of the search, or
    its study alone, which knows them.
    Data, values, seed and budget are the same; nothing is logged. Unless told otherwise, the trial is trained on a
    GPU, or without GPUs by one worker with as many threads as those of the search.
    """
    from ..search.engine.rerunning import rerun as train_again
    from ..search.executors.choosing import check_places
    from ..search.settings import make_home
    from ..search.tracking.mlflow_store import read_run

    home, given = make_home(os.environ), given_flags(flags)
    places = made_from(PlaceSettings, given)
    check_places(places)
    # Before any data are read, which may take minutes.
    read_run(run_id, home.tracking_uri)
    source, _ = recorded_data(home, dataset, given, None)
    loaded = load_from(source.dataset, source.flags)
    done = train_again(loaded, run_id, home=home, say=lambda line: print_line(line, err=True), places=places)
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
            print_line(f"Another version: {line}")
    if tolerance is not None and not difference <= tolerance:
        raise ApertuneError(f"a number differs by {difference:.3g}, more than --tolerance {tolerance:g}")
