"""The flags of every command that takes a data set, and the loading of one with a progress bar."""

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

# Options of single adapters that have a flag of their own, besides `--option NAME=VALUE`.
_SHORTHANDS: dict[str, Callable[[_Command], _Command]] = {
    "positive": click.option(
        "--positive", metavar="CLASS", help="Use this class as the positive one (folders, table)."
    ),
    "labels": click.option("--labels", metavar="FILE", help="Use the FER+ labels in fer2013new.csv (fer2013)."),
    "min-images": click.option(
        "--min-images", type=int, help="Leave out characters with fewer training images (simpsons). [default: 100]"
    ),
    "classes": click.option("--classes", metavar="A,B,C", help="Keep only these classes (folders, simpsons)."),
    "all-images": click.option(
        "--all-images", is_flag=True, default=None, help="Take every annotated image and draw new splits (voc2012)."
    ),
}
_OPTIONS = (
    click.option("--data", metavar="PATH", help="Read the data set from this folder, file or archive."),
    click.option("--image-size", type=int, metavar="PIXELS", help="Resize images to squares of this side."),
    click.option("--channels", type=int, metavar="1|3", help="Load images as grey (1) or colour (3)."),
    click.option(
        "--resize",
        type=click.Choice(["stretch", "crop", "pad"]),
        help="Fit images of other shapes this way. [default: stretch]",
    ),
    click.option(
        "--split",
        metavar="SHARES",
        help="Set the shares of train, validation and test in generated splits. [default: 0.7/0.15/0.15]",
    ),
    click.option("--data-seed", type=int, help="Set the random seed for generated splits. [default: 0]"),
    click.option(
        "--limit", type=int, metavar="N", help="Train on N images, each class with its share, for quick runs."
    ),
    click.option(
        "--skip-bad",
        is_flag=True,
        default=None,
        help="Leave out images that cannot be used, instead of refusing the data set.",
    ),
    click.option(
        "--drop-leaks",
        is_flag=True,
        default=None,
        help="Leave out training images that also occur in validation or test.",
    ),
    click.option("--option", multiple=True, metavar="NAME=VALUE", help="Set an option of the data set's own."),
)


# For commands that keep results: the experiment, the study and the registered model get this name.
name_option = click.option("--name", metavar="NAME", help="Keep results under this name. [default: that of DATASET]")


def dataset_options(command: _Command) -> _Command:
    """Adds the flags to a command; each is None (or empty) when not given."""
    return dataset_options_without()(command)


def dataset_options_without(*names: str) -> Callable[[_Command], _Command]:
    """Adds the flags to a command, except for some shorthands, which are then given only by `--option`."""
    kept = [option for name, option in _SHORTHANDS.items() if name not in names]

    def add(command: _Command) -> _Command:
        for option in reversed((*_OPTIONS, *kept)):
            command = option(command)
        return command

    return add


def load_from(dataset: str, given: Mapping[str, Any]) -> ImageDataset:
    """Loads a data set, with a progress bar and the data set's notes on standard error.

    Args:
        dataset: The name of the adapter.
        given: Values of the flags, or of a TOML file, by flag name.

    Raises:
        UserError: A setting is wrong, or the data cannot be used.
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
    """Checks a name that an experiment, a study and a registered model will get."""
    if name is not None and not re.fullmatch(r"\w[\w-]{0,60}", name):
        raise SettingError(f"--name must be letters, digits, '_' and '-' (at most 61), but got '{name}'")
    return name


def load_settings(given: Mapping[str, Any]) -> LoadSettings:
    """Makes the settings from values of the flags, or of a TOML file, by flag name.

    Raises:
        SettingError: A name is not known, or a value is wrong.
    """
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
    """Reads a setting of the data set from the text of a flag or the value in a file.

    Args:
        name: The name of the flag, with `_` for `-`.
        called: The name that the user knows it by, for messages.
        value: The text or value.

    Returns:
        The value, in the type that the setting is declared with.

    Raises:
        SettingError: The name is not known, or the value is of another type.
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
    """Yields a function that shows progress: as a bar on a terminal, else as a plain line every few seconds."""
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
    """Progress for a log file: one line every few seconds, and none for quick work."""

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
    """The adapter's option that a shorthand stands for; none for a flag that is off."""
    if value is False:
        return {}
    return {flag: "yes" if value is True else ",".join(value) if isinstance(value, tuple) else str(value)}


def _options(called: str, given: Any) -> dict[str, Any]:
    """Reads options; adapters know yes and no, where TOML has true and false."""
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
    """The fields of `LoadSettings` by the name of the flag, with `_` for `-`."""
    from ..datasets import LoadSettings

    return {flag_of(field).replace("-", "_"): field.name for field in fields(LoadSettings) if field.name != "options"}


# Flags that are not fields of LoadSettings, with the types that a file may give for them.
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

# Readers of flags whose text, or value in a file, may have another type than the declared one.
_READERS: dict[str, Callable[[str, Any], Any]] = {"option": _options, "split": _shares}
