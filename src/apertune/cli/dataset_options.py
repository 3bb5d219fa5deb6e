"""The options of every command that takes a data set, and the loading of one with a progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from ..datasets.names import check_name
from ..datasets.settings import LoadSettings
from ..errors import SettingError
from ..settings_fields import Declaration, check, declarations, setting
from ..text import visible
from .output import open_console, print_line
from .setting_options import by_parameter, given_flags, made_from, read_settings, setting_option, setting_options

if TYPE_CHECKING:
    from ..datasets.base import ImageDataset, Progress

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Source:
    """The files of a data set, and the name of its results.

    Raises:
        SettingError: The name cannot be part of the names of an experiment, a study and a registered model.
    """

    data: str | None = setting(
        None,
        "Read the data from this folder or file, an archive of either, or an address.",
        metavar="PATH",
        group="Data",
    )
    name: str | None = setting(
        None, "Keep results under this name.", metavar="NAME", shown_default="that of DATASET", group="Results"
    )
    """The experiment, the study and the registered model are named after it."""

    def __post_init__(self) -> None:
        check(self)
        if self.name is not None:
            check_name("--name", self.name)


@dataclass(frozen=True)
class AdapterOptions:
    """Options of single adapters that have a flag of their own, beside `--option NAME=VALUE`."""

    positive: str | int | None = setting(None, "Count this class as positive (folders).", metavar="CLASS", group="Data")
    labels: str | None = setting(
        None, "Take the FER+ labels of this file, fer2013new.csv (fer2013).", metavar="FILE", group="Data"
    )
    min_images: int | None = setting(
        None, "Leave out characters with fewer images than this (simpsons).", shown_default="100", group="Data"
    )
    classes: str | tuple[str, ...] | None = setting(
        None, "Keep only these classes (folders, simpsons).", metavar="A,B,C", group="Data"
    )
    separator: str | None = setting(
        None,
        "Split the table's lines at this, such as ; or tab (table).",
        metavar="TEXT",
        shown_default="found",
        group="Data",
    )
    root: str | None = setting(
        None, "Look for the table's images below this folder (table).", metavar="FOLDER", group="Data"
    )
    suffix: str | None = setting(
        None, "Add this suffix to the table's paths, such as .jpg (table).", metavar="TEXT", group="Data"
    )
    all_images: bool = setting(False, "Take every annotated image, and draw the splits (voc2012).", group="Data")


_SOURCE = declarations(Source)
_ADAPTERS = declarations(AdapterOptions)
name_option = setting_option(_SOURCE["name"])


def dataset_options(command: _Command) -> _Command:
    """Adds the options; each is None (or empty) when not given."""
    return dataset_options_without()(command)


def dataset_options_without(*names: str) -> Callable[[_Command], _Command]:
    """Adds the options except the named flags of single adapters, which are then given by `--option` alone."""
    return setting_options(dataset_declarations(*names))


def dataset_declarations(*left_out: str) -> list[Declaration]:
    """Returns the settings of a data set in the order of the help, without the named flags of single adapters."""
    kept = [one for name, one in _ADAPTERS.items() if name not in left_out]
    return [_SOURCE["data"], *declarations(LoadSettings).values(), *kept]


def data_declarations() -> dict[str, Declaration]:
    """Returns every setting that opens a data set, by the flag's Python name."""
    return by_parameter(Source, LoadSettings, AdapterOptions)


def load_from(dataset: str, given: Mapping[str, Any], *, count_files: bool = True) -> ImageDataset:
    """Loads a data set by the values of the flags, or of a TOML file, and prints its notes.

    Shows a progress bar on standard error while it decodes.

    Args:
        dataset: its name.
        given: the values by the flag's Python name.
        count_files: print the note that counts the files, too; false where the command tells them itself.

    Raises:
        UserError: the settings or the data are wrong.
    """
    from ..datasets import load

    settings, source = load_settings(given), made_from(Source, given_flags(given))
    with progress_bar() as progress:
        loaded = load(dataset, source.data, settings, progress=progress)
    if source.name is not None:
        loaded = replace(loaded, name=source.name)
    told_elsewhere = loaded.files.words if loaded.files is not None and not count_files else None
    for note in loaded.notes:
        if note != told_elsewhere:
            print_line(f"{dataset}: {note}", err=True)
    return loaded


def load_settings(given: Mapping[str, Any]) -> LoadSettings:
    """Makes the settings of a data set from the values of flags, or of a TOML file.

    Raises:
        SettingError: a name is unknown, or a value is wrong.
    """
    given, known = given_flags(given), data_declarations()
    for name in given:
        if name not in known:
            flags = ", ".join(one.flag for one in known.values())
            raise SettingError(f"unknown setting '--{name.replace('_', '-')}'; known for data sets: {flags}")
    values = read_settings(LoadSettings, given)
    for name, value in read_settings(AdapterOptions, given).items():
        values["options"] = {**values.get("options", {}), **_as_option(_ADAPTERS[name].flag, value)}
    return LoadSettings(**values)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Yields a function that shows progress: as a bar on a terminal, else as a plain line every few seconds."""
    if not sys.stderr.isatty():
        yield _PlainProgress().report
        return
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    stage_column = TextColumn("{task.description}", markup=False)
    columns = (stage_column, BarColumn(), TextColumn("{task.fields[rate]}", markup=False), TimeRemainingColumn())
    tasks: dict[str, tuple[TaskID, float]] = {}
    with Progress(*columns, console=open_console(stderr=True), transient=True) as bar:

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(visible(stage), total=total, rate=""), time.monotonic()
            task, started = tasks[stage]
            bar.update(task, completed=done, total=total, rate=_rate(stage, done, time.monotonic() - started))

        yield report


class _PlainProgress:
    """Progress for a log file: one line every few seconds, none for work that is quick."""

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
            told = f" ({rate})" if rate else ""
            print_line(f"{stage}: {100 * done // max(total, 1)} %{told}", err=True)


def _rate(stage: str, done: int, seconds: float) -> str:
    if seconds < 0.1:
        return ""
    each = done / seconds
    return f"{each / 1e6:.0f} MB/s" if stage in ("reading", "unpacking", "fetching") else f"{each:.0f} images/s"


def _as_option(flag: str, value: Any) -> dict[str, str]:
    """Returns a flag's value as the adapter's option; none for a flag that is off."""
    if value is False:
        return {}
    return {flag: "yes" if value is True else ",".join(value) if isinstance(value, tuple) else str(value)}
