"""`apertune spaces`: what may vary."""

from __future__ import annotations

import contextlib
import logging.handlers
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict

import click

from .. import spaces as space_library
from ..datasets.base import DataSpec
from ..spaces.registry import SPACES
from .output import json_option, print_json, print_table

COLUMNS = ("name", "kind", "range", "condition", "default")


@click.group()
def spaces() -> None:
    """What may vary: networks, training recipes, published references."""


@spaces.command("list")
@click.option("--published", is_flag=True, help="Only the references that articles published, and what they reported.")
@json_option
def list_spaces(published: bool, as_json: bool) -> None:
    """The spaces that ship. Any KerasTuner HyperModel is one, too: --space package.module:Name."""
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
@click.argument("name")
@click.option("--image-size", default=64, show_default=True, type=click.IntRange(1), help="Pixels a side.")
@click.option("--channels", default=3, show_default=True, type=click.IntRange(1))
@click.option("--classes", default=10, show_default=True, type=click.IntRange(2), help="How many.")
@click.option(
    "--task", default="multiclass", show_default=True, type=click.Choice(["binary", "multiclass", "multilabel"])
)
@click.option("--images", default=10_000, show_default=True, type=click.IntRange(1), help="Training images.")
@click.option("--recipe", help="'standard' adds our training recipe to a space of your own.")
@click.option(
    "--space-option", "options", multiple=True, metavar="NAME=VALUE", help="Of the space, such as weights=none."
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
    """Every parameter of a space: name, kind, range, condition, default. Ranges depend on the data set's facts."""
    spec = _spec(image_size, channels, classes, task, images)
    with _said_afterwards(), _quiet_start():
        space = space_library.discover(space_library.load(name, spec, recipe=recipe, options=_pairs(options)))
    rows = space.rows()
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
        print_table(COLUMNS, rows, title=f"{name}: {len(rows)} parameters")


@contextlib.contextmanager
def _said_afterwards() -> Iterator[None]:
    """Keeps what the spaces warn of, such as parameters that a recipe makes idle, and says it at the end."""
    kept = logging.handlers.BufferingHandler(capacity=1000)
    logger = logging.getLogger(space_library.__name__)
    logger.addHandler(kept)
    try:
        yield
    finally:
        logger.removeHandler(kept)
        for record in kept.buffer:
            click.echo(record.getMessage(), err=True)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Keeps what TensorFlow says of processors while it is imported, straight to the descriptor, off the screen."""
    sys.stderr.flush()
    screen = os.dup(2)
    try:
        with tempfile.TemporaryFile() as elsewhere:
            os.dup2(elsewhere.fileno(), 2)
            yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)


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


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError(f"--space-option takes NAME=VALUE, not '{text}'")
        pairs[name] = value
    return pairs
