"""`apertune search`: flags and a TOML file to one search."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from ..errors import SettingError
from ..search.settings import PRUNER_NAMES, SAMPLER_NAMES, SearchSettings, make_home
from ..setting_types import checked, declared_types, flag_of
from .configuration import assignments, read_configuration
from .dataset_options import dataset_options, load_from, name_option, read_dataset_setting
from .output import json_option
from .storage_option import storage_option


@click.command()
@click.argument("dataset")
@dataset_options
@name_option
@click.option("--space", help="A space (apertune spaces list), or package.module:Name of a KerasTuner HyperModel.")
@click.option("--recipe", help="Train a space of your own by our recipe, searched too: standard.")
@click.option("--space-option", multiple=True, metavar="NAME=VALUE", help="Of the space, such as weights=none.")
@click.option("--fix", multiple=True, metavar="NAME=VALUE", help="Hold a hyperparameter to one value.")
@click.option("--narrow", multiple=True, metavar="NAME=RANGE", help="Narrow one: NAME=LOW..HIGH or NAME=a,b,c.")
@click.option(
    "--objective",
    multiple=True,
    help="The metric to search by; several, with costs such as latency_ms. [default: roc_auc for two classes, macro_f1 "
    "for more, map for several labels, or the data set's own]",
)
@click.option("--trials", type=int, help="Configurations to try. [default: 20]")
@click.option("--hours", type=float, help="Stop so many hours after this start; running trials go on next time.")
@click.option("--total-epochs", type=int, help="End after so many epochs of all trials together.")
@click.option("--target-value", type=float, help="End when a complete trial's objective reaches this.")
@click.option("--epochs", type=int, help="Epochs of a trial at most. [default: 20]")
@click.option("--patience", type=int, help="Epochs without improvement that end a trial. [default: 5]")
@click.option(
    "--workers",
    type=int,
    help="Worker processes on processors, at most 4 on each. [default: one a GPU; without GPUs one a processor, at "
    "most 8 (a node of a cluster) and one for each 1.5 GB of free memory]",
)
@click.option("--gpus", help="GPUs to use: all, none, or numbers such as 0,1. [default: all]")
@click.option("--per-gpu", type=int, help="Workers that share a GPU. [default: 1]")
@click.option("--cluster", metavar="auto|ray://HOST:PORT", help="Run trials on a Ray cluster (docs/cluster.md).")
@click.option("--study", help="The study to start or continue. [default: DATASET-SPACE, or with -2 and so on after it]")
@click.option("--seed", type=int, help="Of sampling and training, 0 to 2147483647. [default: 0]")
@click.option("--sampler", type=click.Choice(SAMPLER_NAMES), help="How values are drawn. [default: tpe]")
@click.option(
    "--pruner",
    type=click.Choice(PRUNER_NAMES),
    help="How weak trials are ended. [default: hyperband; with --folds or --repeats wilcoxon]",
)
@click.option("--sampler-option", multiple=True, metavar="NAME=VALUE", help="Of the sampler (docs/searching.md).")
@click.option("--pruner-option", multiple=True, metavar="NAME=VALUE", help="Of the pruner (docs/searching.md).")
@click.option("--folds", type=int, help="Score each configuration by cross-validation with so many folds.")
@click.option("--repeats", type=int, help="Train each configuration so often with other seeds. [default: 1]")
@click.option("--from-study", help="Try this other study's five best first; in a new study after the space's defaults.")
@click.option("--max-parameters", type=float, help="Train no network with more parameters.")
@click.option("--max-size-mb", type=float, help="Train no network whose weights take more megabytes.")
@click.option("--max-flops", type=float, help="Train no network that takes more operations an image.")
@click.option("--max-latency-ms", type=float, help="Train no network slower than this on one image, measured here.")
@storage_option
@click.option("--trial-hours", type=float, help="Prune a trial that takes longer; counted anew when it is tried again.")
@click.option(
    "--hang-minutes",
    type=float,
    help="Kill a trial that tells no epoch for so long; it is tried again once, then failed. More than the longest "
    "epoch takes. [default: 30]",
)
@click.option("--mixed-precision", is_flag=True, default=None, help="Compute in bfloat16; weights stay float32.")
@click.option("--keep-models", metavar="all|best:K|none", help="Whose models MLflow keeps. [default: all]")
@click.option("--reference", is_flag=True, default=None, help="Train the data set's published network first.")
@click.option(
    "--config", type=click.Path(path_type=Path), help="A TOML file of settings called as flags are; flags win."
)
@json_option
def search(dataset: str, config: Path | None, as_json: bool, **flags: Any) -> None:
    """Search a data set's hyperparameters, or continue its study.

    Every trial goes to MLflow. Ctrl-C gives running trials 2 s to end their epoch, a second one none; --hours and
    apertune stop let them end it. Everything is kept, and the same command goes on from their last checkpoints.

    Exit status: 0 done, or ended by apertune stop, --hours, --total-epochs or --target-value; 1 it failed, or no trial
    completed; 2 the words or data are at fault; 130, 143, 129 ended before its target by Ctrl-C, SIGTERM, a closed
    terminal.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    merged = {**read_configuration(config, set(flags), read_setting), **given}
    reference = bool(merged.pop("reference", False))
    settings, rest = search_settings(merged)
    loaded = load_from(dataset, rest)

    from .searching import run_shown, show_end

    home = make_home(os.environ, storage=settings.storage)
    show_end(run_shown(loaded, settings, home, reference=reference), dataset, as_json=as_json)


def search_settings(given: Mapping[str, Any]) -> tuple[SearchSettings, dict[str, Any]]:
    """Splits what was given, by flag name, into the search's settings and the data set's.

    Raises SettingError, also for what this machine or the chosen sampler cannot do, before any data is loaded.
    """
    rest = dict(given)
    values = {
        field: read_setting(name, f"--{name.replace('_', '-')}", rest.pop(name))
        for name, field in _FIELDS.items()
        if name in rest
    }
    settings = SearchSettings(**values)
    _check_before_loading(settings)
    return settings, rest


def _check_before_loading(settings: SearchSettings) -> None:
    """Raises SettingError for what a search would find out only with its data at hand."""
    from ..search.engine.planning import check_strategies
    from ..search.executors.choosing import check_places
    from ..search.studies.storage.storage import check_storage
    from ..spaces.registry import check_name

    check_name(settings.space)
    check_places(settings)
    check_strategies(settings)
    check_storage(make_home(os.environ, storage=settings.storage))


def read_setting(name: str, called: str, value: Any) -> Any:
    """A setting of the search or of the data set as it is declared, read from a flag's text or a file's value.

    name: of the flag, with `_` for `-`. called: what the user calls it. Raises SettingError for another type's value.
    """
    if name == "reference":
        return checked(called, bool, value)
    if name not in _FIELDS:
        return read_dataset_setting(name, called, value)
    if name in _READERS:
        value = _READERS[name](called, value)
    return checked(called, declared_types(SearchSettings)[_FIELDS[name]], value)


def _gpus(called: str, given: Any) -> Any:
    if given in ("all", None):
        return None
    if given == "none":
        return ()
    if isinstance(given, list | tuple):
        return given
    if not isinstance(given, str):
        # Of a lone number nobody knows whether it counts GPUs or names one.
        raise SettingError(f"{called} must be all, none or a list of GPUs such as [0, 1], but got {given!r}")
    try:
        return tuple(int(part) for part in given.split(","))
    except ValueError:
        raise SettingError(f"{called} must be all, none or numbers such as 0,1, but got {given!r}") from None


# Fields by the flag's name, with `_` for `-`.
_FIELDS = {flag_of(field).replace("-", "_"): field.name for field in fields(SearchSettings)}

# What a flag's text, or a file's value, may be beside the declared type.
_READERS: dict[str, Callable[[str, Any], Any]] = {
    "gpus": _gpus,
    **dict.fromkeys(("fix", "narrow", "space_option", "sampler_option", "pruner_option"), assignments),
}
