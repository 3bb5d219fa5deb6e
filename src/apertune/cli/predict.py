"""`apertune predict`: names for images and videos."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..csv_rows import write_rows
from ..errors import DatasetError, SettingError
from ..text import visible
from .completion import paths
from .dataset_options import progress_bar
from .model_choice import chosen_model
from .output import json_option, print_json, print_line, print_table
from .own_classes import space_option
from .to_option import to_option

if TYPE_CHECKING:
    from ..search.prediction import Answer, FileAnswer, Predictor
    from ..search.prediction.video import FrameAnswer


@dataclass(frozen=True)
class _VideoAnswers:
    path: Path
    answers: list[FrameAnswer]
    frames_per_second: float


@dataclass
class _Results:
    images: list[FileAnswer] = field(default_factory=list)
    videos: list[_VideoAnswers] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


@click.command()
@click.argument("model")
@click.argument("files", nargs=-1, required=True, shell_complete=paths)
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="Show this many classes per image.")
@click.option(
    "--min-probability",
    type=click.FloatRange(0, 1),
    help="Answer unknown below this probability. [default: the model's]",
)
@to_option("output", "Write the video with names drawn on it, and a .csv.", before="--output")
@click.option("--every", type=click.IntRange(1), default=1, show_default=True, help="Name every Nth frame of a video.")
@click.option(
    "--smooth",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="Average a video's answers over this many seconds.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV and nothing else.")
@space_option
@json_option
@click.pass_context
def predict(
    ctx: click.Context,
    model: str,
    files: tuple[str, ...],
    top: int,
    min_probability: float | None,
    output: Path | None,
    every: int,
    smooth: float,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Name what FILES (images, videos, folders, patterns) show.

    MODEL is fer2013@champion, runs:/RUN/model, or the folder of a saved or exported model. A file that cannot be
    read is named on standard error, and the others are still answered; the exit status is then 2.
    """
    from ..search.prediction import open_predictor
    from ..search.prediction.sources import find_files
    from ..search.settings import make_home

    if as_csv and as_json:
        raise SettingError("--csv and --json exclude each other")
    found = find_files(files)
    _check_output(output, len(found.images), len(found.videos))
    with chosen_model(model, make_home(os.environ).tracking_uri) as folder:
        predictor = open_predictor(folder, min_probability)
        results = _Results()
        _answer_images(predictor, found.images, results)
        for video in found.videos:
            _answer_video(predictor, video, output, every, smooth, results)
    if as_json:
        print_json(_document(model, results, top))
    elif as_csv:
        _print_csv(results, top)
    else:
        _print(results, top)
    for file, reason in results.failed:
        print_line(f"Error: {file}: {reason}", err=True)
    if results.failed:
        ctx.exit(2)


def _check_output(output: Path | None, images: int, videos: int) -> None:
    if output is None:
        return
    from ..search.prediction.video import check_output

    if videos != 1 or images:
        raise SettingError(f"--to takes one video, but got videos: {videos}, images: {images}")
    check_output(output)


def _answer_images(predictor: Predictor, paths: tuple[Path, ...], results: _Results) -> None:
    with progress_bar() as report:
        finished = 0

        def done(count: int) -> None:
            nonlocal finished
            finished += count
            report("images", finished, len(paths))

        for entry in predictor.answer_files(paths, done):
            if entry.problem is None:
                results.images.append(entry)
            else:
                results.failed.append((str(entry.path), entry.problem))


def _answer_video(
    predictor: Predictor, path: Path, output: Path | None, every: int, smooth: float, results: _Results
) -> None:
    from ..search.prediction.video import Stopwatch, answer_frames, read_frames, write_labelled

    read = 0
    try:
        with progress_bar() as report:

            def done(count: int, total: int) -> None:
                nonlocal read
                read = count
                if total:
                    report(path.name, count, total)

            watch = Stopwatch()
            answered = answer_frames(predictor, read_frames(path, done), every=every, smoothing_s=smooth)
            if output is not None:
                answers = write_labelled(answered, output)
            else:
                answers = [entry for _, entry in answered if entry is not None]
            rate = watch.rate(read)
    except DatasetError as error:
        results.failed.append((str(path), str(error).removeprefix(f"{path}").lstrip(": ")))
        return
    results.videos.append(_VideoAnswers(path, answers, rate))
    print_line(f"{path.name}: {read} frames, {rate:.1f} frames per second", err=True)


def _document(model: str, results: _Results, top: int) -> dict[str, object]:
    from ..search.prediction.video import scenes

    return {
        "model": model,
        "images": [
            {"file": str(entry.path), **entry.answer.to_dict(top)}
            for entry in results.images
            if entry.answer is not None
        ],
        "videos": [
            {
                "file": str(video.path),
                "frames_per_second": video.frames_per_second,
                "scenes": [asdict(scene) for scene in scenes(video.answers)],
                "frames": [
                    {"frame": entry.number, "time_s": entry.time_s, **entry.answer.to_dict(top)}
                    for entry in video.answers
                ],
            }
            for video in results.videos
        ],
        "failed": [{"file": file, "reason": reason} for file, reason in results.failed],
    }


def _print_csv(results: _Results, top: int) -> None:
    answers = [entry.answer for entry in results.images] + [frame.answer for v in results.videos for frame in v.answers]
    top = min(top, max((len(answer.probabilities) for answer in answers if answer is not None), default=top))
    ranks = [column for rank in range(1, top + 1) for column in (f"top{rank}", f"top{rank}_probability")]
    rows: list[Sequence[object]] = [("file", "frame", "time_s", "name", "probability", *ranks)]
    for entry in results.images:
        if entry.answer is not None:
            rows.append((entry.path, "", "", *_csv_cells(entry.answer, top)))
    for video in results.videos:
        for frame in video.answers:
            rows.append((video.path, frame.number, f"{frame.time_s:.3f}", *_csv_cells(frame.answer, top)))
    write_rows(sys.stdout, [[visible(str(cell)) for cell in row] for row in rows])


def _csv_cells(answer: Answer, top: int) -> list[str]:
    ranked = [cell for name, share in answer.probabilities[:top] for cell in (name, f"{share:.4f}")]
    return [answer.name, f"{answer.probability:.4f}", *ranked]


def _print(results: _Results, top: int) -> None:
    from ..search.prediction.video import scenes

    if results.images:
        rows = []
        for entry in results.images:
            if entry.answer is not None:
                best = ", ".join(f"{name} {share:.0%}" for name, share in entry.answer.probabilities[:top])
                rows.append((entry.path, entry.answer.name, f"{entry.answer.probability:.1%}", best))
        print_table(("file", "name", "probability", f"top {top}"), rows)
    for video in results.videos:
        parts = [
            (f"{scene.start_s:.2f}", f"{scene.end_s:.2f}", scene.name, f"{scene.probability:.1%}")
            for scene in scenes(video.answers)
        ]
        print_table(("from (s)", "to (s)", "name", "probability"), parts, title=str(video.path))
