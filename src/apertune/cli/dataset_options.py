"""The flags of every command that takes a data set, and loading one by them with a progress bar."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import SettingError
from ..setting_types import checked, declared_types, flag_of
from .configuration import assignments

if TYPE_CHECKING:
    from ..datasets import ImageDataset, LoadSettings
    from ..datasets.base import Progress

_Command = TypeVar("_Command", bound=Callable[..., Any])

# Options of single adapters that have a flag of their own, beside `--option NAME=VALUE`.
_SHORTHANDS: dict[str, Callable[[_Command], _Command]] = {
    "positive": click.option("--positive", metavar="CLASS", help="folders: the class that counts as positive."),
    "labels": click.option("--labels", metavar="FILE", help="fer2013: FER+ labels, fer2013new.csv."),
    "min-images": click.option("--min-images", type=int, help="simpsons: leave out rarer characters. [default: 100]"),
    "classes": click.option("--classes", metavar="A,B,C", help="folders, simpsons: keep only these classes."),
    "all-images": click.option(
        "--all-images", is_flag=True, default=None, help="voc2012: every annotated image, split by us."
    ),
}
_OPTIONS = (
    click.option("--data", metavar="PATH", help="A folder, a file, or an archive of either."),
    click.option("--image-size", type=int, metavar="PIXELS", help="Square size that images are resized to."),
    click.option("--channels", type=int, metavar="1|3", help="1 for grey, 3 for colour."),
    click.option(
        "--resize", type=click.Choice(["stretch", "crop", "pad"]), help="How other shapes fit. [default: stretch]"
    ),
    click.option("--split", metavar="SHARES", help="Train, validation, test, where drawn. [default: 0.7/0.15/0.15]"),
    click.option("--data-seed", type=int, help="Of the splits that are drawn. [default: 0]"),
    click.option("--limit", type=int, metavar="N", help="A stratified part of the training images, for quick runs."),
    click.option("--skip-bad", is_flag=True, default=None, help="Leave out what cannot be read instead of refusing."),
    click.option(
        "--drop-leaks", is_flag=True, default=None, help="Take training images out that occur in validation or test."
    ),
    click.option("--option", multiple=True, metavar="NAME=VALUE", help="An option of the data set's own."),
)


# For commands that keep results: the experiment, the study and the registered model are called after it.
name_option = click.option("--name", metavar="NAME", help="What results are kept under. [default: that of DATASET]")


def dataset_options(command: _Command) -> _Command:
    """Adds the flags; each is None (or empty) when not given."""
    return dataset_options_without()(command)


def dataset_options_without(*names: str) -> Callable[[_Command], _Command]:
    """Adds the flags but for the shorthands named, which then go by `--option` alone."""
    kept = [option for name, option in _SHORTHANDS.items() if name not in names]

    def add(command: _Command) -> _Command:
        for option in reversed((*_OPTIONS, *kept)):
            command = option(command)
        return command

    return add


def load_from(dataset: str, given: Mapping[str, Any]) -> ImageDataset:
    """Loads a data set by what was given: values of the flags, or of a TOML file, by flag name.

    Shows a progress bar on standard error while it decodes, and the data set's notes. Raises UserError.
    """
    from ..datasets import load

    settings = load_settings(given)
    name = _checked_name(given.get("name"))
    with progress_bar() as progress:
        loaded = load(dataset, given.get("data"), settings, progress=progress)
    if name is not None:
        loaded = replace(loaded, name=name)
    for note in loaded.notes:
        click.echo(f"{dataset}: {note}", err=True)
    return loaded


def _checked_name(name: str | None) -> str | None:
    """A name becomes an experiment's, a study's and a registered model's."""
    if name is not None and not re.fullmatch(r"\w[\w-]{0,60}", name):
        raise SettingError(f"--name must be letters, digits, '_' and '-' (at most 61), but got '{name}'")
    return name


def load_settings(given: Mapping[str, Any]) -> LoadSettings:
    """Raises SettingError for unknown names and wrong values."""
    from ..datasets import LoadSettings

    values: dict[str, Any] = {}
    options: dict[str, str] = {}
    for name, value in given.items():
        if name in _OUTSIDE or value in (None, ()):
            continue
        flag = name.replace("_", "-")
        read = read_dataset_setting(name, f"--{flag}", value)
        if name == "option":
            options = {**read, **options}
        elif flag in _SHORTHANDS:
            options |= _as_option(flag, read)
        else:
            values[_fields()[name]] = read
    return LoadSettings(options=options, **values)


def read_dataset_setting(name: str, called: str, value: Any) -> Any:
    """A setting of the data set as it is declared, read from a flag's text or a file's value.

    name: of the flag, with `_` for `-`. called: what the user calls it. Raises SettingError for a name that is not
    known and for a value of another type.
    """
    from ..datasets import LoadSettings

    if name in _DECLARED:
        declared = _DECLARED[name]
    elif name in _fields():
        declared = declared_types(LoadSettings)[_fields()[name]]
    else:
        known = ", ".join(flag.replace("_", "-") for flag in (*_fields(), *_DECLARED))
        raise SettingError(f"unknown setting '{called}'; known for data sets: {known}")
    if name in _READERS:
        value = _READERS[name](called, value)
    return checked(called, declared, value)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yields a function to report progress to: a bar on a terminal, else a plain line every few seconds."""
    if not sys.stderr.isatty():
        yield _PlainProgress().report
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    tasks: dict[str, tuple[TaskID, float]] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total, rate=""), time.monotonic()
            task, started = tasks[stage]
            bar.update(task, completed=done, total=total, rate=_rate(stage, done, time.monotonic() - started))

        yield report


class _PlainProgress:
    """Progress for a log file: one line every few seconds, none for what is quick."""

    seconds_between = 5.0

    def __init__(self) -> None:
        self._started = self._said = time.monotonic()
        self._stage = ""

    def report(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._started = stage, now
        if now - self._said >= self.seconds_between:
            self._said = now
            rate = _rate(stage, done, now - self._started)
            click.echo(f"{stage}: {100 * done // max(total, 1)} % ({rate})", err=True)


def _rate(stage: str, done: int, seconds: float) -> str:
    if seconds < 0.1:
        return ""
    each = done / seconds
    return f"{each / 1e6:.0f} MB/s" if stage in ("reading", "unpacking", "fetching") else f"{each:.0f} images/s"


def _as_option(flag: str, value: Any) -> dict[str, str]:
    """A shorthand's value as the adapter's option; none for a flag that is off."""
    if value is False:
        return {}
    return {flag: "yes" if value is True else ",".join(value) if isinstance(value, tuple) else str(value)}


def _options(called: str, given: Any) -> dict[str, Any]:
    """Adapters know yes and no, where TOML has true and false."""
    truths = {True: "yes", False: "no"}
    pairs = assignments(called, given).items()
    return {name: truths[value] if isinstance(value, bool) else value for name, value in pairs}


def _shares(called: str, value: Any) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in (value.split("/") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        shares = ()
    if len(shares) != 3:
        wanted = "three shares that sum to 1, such as 0.7/0.15/0.15"
        raise SettingError(f"{called} must be {wanted}, but got {value!r}")
    return shares


def _fields() -> dict[str, str]:
    """Fields of LoadSettings by the flag's name, with `_` for `-`."""
    from ..datasets import LoadSettings

    return {flag_of(field).replace("-", "_"): field.name for field in fields(LoadSettings) if field.name != "options"}


# Flags that are no field of LoadSettings, and what a file may give for them.
_DECLARED: dict[str, Any] = {
    "data": str,
    "name": str,
    "option": Mapping[str, str],
    "positive": str | int,
    "labels": str,
    "min_images": int,
    "classes": str | tuple[str, ...],
    "all_images": bool,
}
_OUTSIDE = ("data", "name")

# What a flag's text, or a file's value, may be beside the declared type.
_READERS: dict[str, Callable[[str, Any], Any]] = {"option": _options, "split": _shares}
