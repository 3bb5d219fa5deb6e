"""`apertune search`: flags and a TOML file to one search."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from ..errors import ApertuneError, SettingError
from ..search.settings import PRUNER_NAMES, SAMPLER_NAMES, SearchSettings, make_home
from .configuration import read_configuration
from .dataset_options import dataset_options, load_from, name_option
from .output import json_option, print_json


@click.command()
@click.argument("dataset")
@dataset_options
@name_option
@click.option("--space", help="A space (apertune spaces list), or package.module:Name of a KerasTuner HyperModel.")
@click.option("--recipe", help="Compose a foreign space with our training recipe: standard.")
@click.option("--space-option", "space_options", multiple=True, metavar="NAME=VALUE", help="A setting of the space.")
@click.option("--fix", multiple=True, metavar="NAME=VALUE", help="Hold a hyperparameter to one value.")
@click.option("--narrow", multiple=True, metavar="NAME=RANGE", help="Narrow one: NAME=LOW..HIGH or NAME=a,b,c.")
@click.option("--objective", multiple=True, help="The metric to search by; several, with costs such as latency_ms.")
@click.option("--trials", type=int, help="Configurations to try. [default: 20]")
@click.option("--hours", type=float, help="Stop after so many hours.")
@click.option("--total-epochs", type=int, help="Stop after so many epochs of all trials together.")
@click.option("--target-value", type=float, help="Stop when a trial's objective reaches this.")
@click.option("--epochs", type=int, help="Epochs of a trial at most. [default: 20]")
@click.option("--patience", type=int, help="Epochs without improvement that end a trial. [default: 5]")
@click.option("--workers", type=int, help="Worker processes on processors. [default: one a processor or GPU]")
@click.option("--gpus", help="GPUs to use: all, none, or numbers such as 0,1. [default: all]")
@click.option("--per-gpu", type=int, help="Workers that share a GPU. [default: 1]")
@click.option("--cluster", metavar="auto|ray://HOST:PORT", help="Run trials on a Ray cluster (docs/cluster.md).")
@click.option("--study", help="The study to start or continue. [default: DATASET-SPACE]")
@click.option("--seed", type=int, help="Of sampling and training. [default: 0]")
@click.option("--sampler", type=click.Choice(SAMPLER_NAMES), help="How values are drawn. [default: tpe]")
@click.option("--pruner", type=click.Choice(PRUNER_NAMES), help="How weak trials are ended. [default: hyperband]")
@click.option("--sampler-option", "sampler_options", multiple=True, metavar="NAME=VALUE", help="A setting of it.")
@click.option("--pruner-option", "pruner_options", multiple=True, metavar="NAME=VALUE", help="A setting of it.")
@click.option("--folds", type=int, help="Score each configuration by cross-validation with so many folds.")
@click.option("--repeats", type=int, help="Train each configuration so often with other seeds. [default: 1]")
@click.option("--from-study", help="Try the best configurations of this other study first.")
@click.option("--max-parameters", type=float, help="Train no network with more parameters.")
@click.option("--max-size-mb", type=float, help="Train no network whose weights take more megabytes.")
@click.option("--max-flops", type=float, help="Train no network that takes more operations an image.")
@click.option("--max-latency-ms", type=float, help="Train no network slower than this on one image, measured here.")
@click.option("--storage", help="Optuna storage URL of the studies. [default: mlflow/studies.db]")
@click.option("--trial-hours", type=float, help="End a trial that takes longer.")
@click.option("--hang-minutes", type=float, help="Restart a trial that says nothing for so long. [default: 30]")
@click.option("--mixed-precision", is_flag=True, default=None, help="Train in bfloat16 where it can be.")
@click.option("--keep-models", metavar="all|best:K|none", help="Whose models MLflow keeps. [default: all]")
@click.option("--reference", is_flag=True, default=None, help="Train the data set's published network first.")
@click.option("--config", type=click.Path(path_type=Path), help="A TOML file with the same names; flags win.")
@json_option
def search(dataset: str, config: Path | None, as_json: bool, **flags: Any) -> None:
    """Search a data set's hyperparameters, or continue its study.

    Every trial goes to MLflow. Ctrl-C ends running trials after their epoch and keeps what is finished;
    the same command goes on where it stopped.
    """
    given = {name: value for name, value in flags.items() if value not in (None, ())}
    merged = {**read_configuration(config, set(flags)), **given}
    reference = bool(merged.pop("reference", False))
    settings, rest = search_settings(merged)
    loaded = load_from(dataset, rest)

    from ..search.launch import run
    from ..search.reference import reference_settings, train_reference
    from .compare import compare_document, print_trials, show_next_steps
    from .progress import SearchDisplay

    home = make_home(os.environ, storage=settings.storage)
    if reference:
        with SearchDisplay(reference_settings(loaded, settings).epochs) as display:
            trained = train_reference(loaded, settings, home=home, display=display)
        if trained is not None and trained.stopped:
            raise ApertuneError("the reference was stopped; the same command goes on with it")
    with SearchDisplay(settings.epochs * settings.rounds) as display:
        result = run(loaded, settings, home=home, display=display)
    document = compare_document(result.dataset, result.objectives, result.trials, result.run_ids)
    if as_json:
        about = {
            "study": result.study,
            "finished": result.finished,
            "target": result.target,
            "ended": result.ended or None,
        }
        print_json({**about, **document})
    else:
        print_trials(document, title=f"Study {result.study}: {result.finished} trials, best first", most=10)
        show_next_steps(result, dataset, home)


def search_settings(given: dict[str, Any]) -> tuple[SearchSettings, dict[str, Any]]:
    """Splits what was given into the search's settings and the data set's. Raises SettingError."""
    values: dict[str, Any] = {}
    rest = dict(given)
    for field in fields(SearchSettings):
        if field.name in rest:
            values[field.name] = _READERS.get(field.name, lambda value: value)(rest.pop(field.name))
    try:
        return SearchSettings(**values), rest
    except TypeError as error:
        raise SettingError(f"a setting has the wrong type: {error}") from None


def _gpus(text: str) -> tuple[int, ...] | None:
    if text == "all":
        return None
    if text == "none":
        return ()
    try:
        return tuple(int(part) for part in str(text).split(","))
    except ValueError:
        raise SettingError(f"--gpus must be all, none or numbers such as 0,1, but got '{text}'") from None


def assignments(flag: str) -> Callable[[Any], dict[str, str]]:
    """Reads NAME=VALUE words, or a TOML table of the same."""

    def read(given: Any) -> dict[str, str]:
        if isinstance(given, dict):
            return {name: str(value) for name, value in given.items()}
        pairs = {}
        for word in given:
            name, equals, value = str(word).partition("=")
            if not (name and equals and value):
                raise SettingError(f"{flag} must be NAME=VALUE, but got '{word}'")
            pairs[name] = value
        return pairs

    return read


def _objectives(given: Any) -> str | tuple[str, ...]:
    return given if isinstance(given, str) else tuple(str(name) for name in given)


_READERS: dict[str, Callable[[Any], Any]] = {
    "objective": _objectives,
    "sampler_options": assignments("--sampler-option"),
    "pruner_options": assignments("--pruner-option"),
    "gpus": _gpus,
    "fix": assignments("--fix"),
    "narrow": assignments("--narrow"),
    "space_options": assignments("--space-option"),
}
