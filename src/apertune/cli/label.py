"""`apertune label`: grows a data set from a video, for a person to check."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from ..errors import SettingError
from .dataset_options import progress_bar
from .model_choice import chosen_model
from .next_steps import command
from .output import json_option, print_json, print_line, print_table
from .own_classes import space_option
from .to_option import to_option

_LEAST_SURE = 0.7


@click.command()
@click.argument("video", type=click.Path(path_type=Path))
@click.option(
    "--model",
    required=True,
    help="Use this model: fer2013@champion, runs:/RUN/model, or a saved or exported model's folder.",
)
@to_option("target", "Write one folder per class below this one.", folder=True, required=True)
@click.option("--every", type=click.IntRange(1), default=25, show_default=True, help="Take every Nth frame.")
@click.option("--classes", metavar="A,B", help="Keep these classes only, and the unsure pictures.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    help=f"Count answers below this probability as unsure. [default: the model's, else {_LEAST_SURE}]",
)
@space_option
@json_option
def label(
    video: Path,
    model: str,
    target: Path,
    every: int,
    classes: str | None,
    min_probability: float | None,
    as_json: bool,
) -> None:
    """Sort a VIDEO's frames, whole and their left and right halves, into one folder per class by the model's answer.

    Unsure ones go to the folder "unsure". File names tell the time. Nothing is overwritten. Check the pictures,
    move those that are wrong, sort or delete the unsure ones, and search on them: apertune search folders --data DIR
    """
    from ..search.prediction import open_predictor
    from ..search.prediction.labelling import label_frames
    from ..search.prediction.video import read_frames
    from ..search.settings import make_home

    if not video.is_file():
        raise SettingError(f"there is no video {video}")
    if target.exists() and not target.is_dir():
        raise SettingError(f"--to {target} is a file; give a folder")
    with chosen_model(model, make_home(os.environ).tracking_uri) as folder, progress_bar() as report:
        predictor = open_predictor(folder, min_probability)
        if min_probability is None:
            predictor.minimum_probability = predictor.contract.minimum_probability or _LEAST_SURE
        frames = read_frames(video, lambda done, total: report(video.name, done, total) if total else None)
        wanted = tuple(filter(None, (classes or "").split(",")))
        pictures = label_frames(predictor, frames, target, video=video.stem, every=every, classes=wanted)
    if as_json:
        print_json({**asdict(pictures), "target": str(target)})
        return
    print_table(("folder", "new pictures"), list(pictures.folders.items()), title=f"{pictures.frames} frames")
    there = f"; pictures already there, left as they are: {pictures.existing}" if pictures.existing else ""
    print_line(f"In {target}{there}")
    print_line(f"Search:   {command('search', 'folders', '--data', target)}  (once the pictures are checked)")
