"""The command `apertune spaces`, which shows the search spaces."""

from __future__ import annotations

import contextlib
import logging.handlers
from collections.abc import Iterator
from dataclasses import asdict

import click

from .. import spaces as space_library
from ..datasets.base import DataSpec
from ..quiet import nothing_on_standard_error
from ..settings_fields import assignments
from ..spaces.registry import SPACES
from ..spaces.search_space import wording
from ..text import counted
from .completion import spaces as space_names
from .known_words import CommandGroup, KnownChoice
from .output import json_option, print_json, print_line, print_table

COLUMNS = ("name", "kind", "range", "condition", "default")


@click.group(cls=CommandGroup)
def spaces() -> None:
    """Show the search spaces: networks, training recipes and published references."""


@spaces.command("list")
@click.option("--published", is_flag=True, help="List only the references that articles published, with their results.")
@json_option
def list_spaces(published: bool, as_json: bool) -> None:
    """List the spaces that ship.

    Any KerasTuner HyperModel of your own is a space, too: search it with --space package.module:Name.
    """
    entries = {name: entry for name, entry in SPACES.items() if entry.publication or not published}
    if as_json:
        print_json(
            {
                "spaces": [
                    {
                        "name": name,
                        "summary": entry.summary,
                        "options": dict(entry.options),
                        "publication": None if entry.publication is None else asdict(entry.publication),
                    }
                    for name, entry in entries.items()
                ]
            }
        )
    elif published:
        articles = [(name, entry.publication) for name, entry in entries.items() if entry.publication is not None]
        print_table(
            ("name", "data set", "image size", "epochs", "patience", "published result"),
            [(name, a.dataset, a.image_size, a.epochs, a.patience, a.result) for name, a in articles],
        )
    else:
        rows = [(name, entry.summary, ", ".join(entry.options)) for name, entry in entries.items()]
        print_table(("name", "summary", "options"), rows)


@spaces.command("show")
@click.argument("name", shell_complete=space_names)
@click.option("--image-size", default=64, show_default=True, type=click.IntRange(1), help="Set the pixels per side.")
@click.option(
    "--channels",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Set the channels per pixel: 1 for greyscale, 3 for colour.",
)
@click.option("--classes", default=10, show_default=True, type=click.IntRange(2), help="Set the number of classes.")
@click.option(
    "--task",
    default="multiclass",
    show_default=True,
    type=KnownChoice(["binary", "multiclass", "multilabel"]),
    help="Set the task.",
)
@click.option(
    "--images", default=10_000, show_default=True, type=click.IntRange(1), help="Set the number of training images."
)
@click.option("--recipe", help="Add a training recipe to a space of your own; the one that ships is 'standard'.")
@click.option(
    "--space-option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an option of the space, such as weights=none.",
)
@json_option
def show(
    name: str,
    image_size: int,
    channels: int,
    classes: int,
    task: str,
    images: int,
    recipe: str | None,
    options: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show every parameter of a space with its kind, range, condition and default.

    Some ranges depend on the data set; describe yours with the options.
    """
    spec = _spec(image_size, channels, classes, task, images)
    pairs = assignments("--space-option", options)
    with _warnings_afterwards(), nothing_on_standard_error():
        space = space_library.discover(space_library.load(name, spec, recipe=recipe, options=pairs))
    rows = wording.rows(space)
    if as_json:
        print_json(
            {
                "name": name,
                "hash": space.hash,
                "parameters": [
                    {**asdict(parameter), "key": parameter.key, "range": row[2], "condition": row[3]}
                    for parameter, row in zip(space.parameters, rows, strict=True)
                ],
            }
        )
    else:
        print_table(COLUMNS, rows, title=f"{name}: {counted(len(rows), 'parameter')}")


@contextlib.contextmanager
def _warnings_afterwards() -> Iterator[None]:
    """Holds back the warnings of the spaces, such as those of parameters without effect, and prints them at the end."""
    kept = logging.handlers.BufferingHandler(capacity=1000)
    logger = logging.getLogger(space_library.__name__)
    logger.addHandler(kept)
    try:
        yield
    finally:
        logger.removeHandler(kept)
        for record in kept.buffer:
            print_line(record.getMessage(), err=True)


def _spec(image_size: int, channels: int, classes: int, task: str, images: int) -> DataSpec:
    if task == "binary":
        classes = 2
    return DataSpec(
        image_shape=(image_size, image_size, channels),
        task=task,  # type: ignore[arg-type]  # click lets through only the three of Task
        classes=tuple(f"class {index}" for index in range(classes)),
        class_counts=tuple(images // classes for _ in range(classes)),
        train_size=images,
    )
