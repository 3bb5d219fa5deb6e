"""`apertune search`: makes one search from flags and a TOML file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ..datasets.settings import LoadSettings
from ..search.settings import Home, SearchSettings, make_home, search_declarations
from ..search.strategies.presets import PRESETS, preset_settings
from ..settings_fields import Declaration, declarations, setting
from .completion import data_sets
from .configuration import read_configuration
from .dataset_options import AdapterOptions, Source, dataset_declarations, load_from, name_option
from .option_groups import GroupedCommand
from .output import json_option
from .recorded_data import keep_data
from .setting_options import by_parameter, given_flags, made_from, setting_options, without


@dataclass(frozen=True)
class Launch:
    """Settings of the command that do not belong to the search itself."""

    reference: bool = setting(False, "Train the data set's published network first.", group="Results")
    preset: str | None = setting(
        None, "Take a budget in one word, over which other flags win.", choices=tuple(PRESETS), group="Budget"
    )


@click.command(cls=GroupedCommand)
@click.argument("dataset", shell_complete=data_sets)
@setting_options(dataset_declarations())
@name_option
@setting_options([*search_declarations(), *declarations(Launch).values()])
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Read settings from this TOML file, where they are named as the flags are; flags win.",
)
@json_option
def search(dataset: str, config: Path | None, as_json: bool, **flags: Any) -> None:
    """Search a data set's hyperparameters, or continue its study.

    Every trial goes to MLflow. Ctrl-C gives running trials 2 s to end their epoch, a second Ctrl-C ends them at once;
    --hours and apertune stop let them end it. Everything is kept, and the same command goes on from their last
    checkpoints.

    Exit status: 0 done, or ended by apertune stop, --hours, --total-epochs or --target-value; 1 the search failed, or
    no trial completed; 2 the settings or the data are wrong; 130, 143, 129 ended before its target by Ctrl-C, SIGTERM,
    a closed terminal.
    """
    merged = {**read_configuration(config, file_settings()), **given_flags(flags)}
    launch = made_from(Launch, merged)
    merged = {**preset_flags(launch.preset), **merged}
    settings, rest = search_settings(merged)
    loaded = load_from(dataset, rest)

    from ..search.tracking.ui_links import study_page
    from .searching import judged, run_shown, show_end

    home = make_home(os.environ, storage=settings.storage)
    result = run_shown(loaded, settings, home, reference=launch.reference)
    source = keep_data(home, result.study, dataset, rest)
    standing, findings = judged(result, home)
    page = None if as_json else study_page(home, result.study)
    show_end(
        result,
        source,
        as_json=as_json,
        standing=standing,
        findings=findings,
        storage=settings.storage,
        page=page,
    )


def file_settings() -> dict[str, Declaration]:
    """Returns the settings that a TOML file may hold, by the flag's Python name."""
    return by_parameter(Source, LoadSettings, AdapterOptions, SearchSettings, Launch)


def preset_flags(preset: str | None) -> dict[str, Any]:
    """Returns the settings of a preset, by the flag's Python name."""
    known = declarations(SearchSettings)
    return {known[name].parameter: value for name, value in preset_settings(preset).items()}


def search_settings(given: Mapping[str, Any]) -> tuple[SearchSettings, dict[str, Any]]:
    """Splits the given values, by flag name, into the search's settings and those of the data set.

    Raises:
        SettingError: a value is wrong, or this machine or the chosen sampler cannot do what is asked for; no data
            have been loaded yet.
    """
    settings = made_from(SearchSettings, given)
    check_before_loading(settings, make_home(os.environ, storage=settings.storage))
    return settings, without(given, SearchSettings, Launch)


def check_before_loading(settings: SearchSettings, home: Home) -> None:
    """Raises SettingError early for settings that a search would refuse only after loading its data."""
    from ..search.engine.planning import check_strategies
    from ..search.executors.choosing import check_places
    from ..search.studies.storage.storage import check_storage
    from ..search.tracking.tracking_address import check_tracking
    from ..spaces.registry import check_name, check_options, check_weights_of

    check_name(settings.space)
    check_places(settings)
    check_strategies(settings)
    check_storage(home)
    check_tracking(home)
    if ":" not in settings.space:
        check_options(settings.space, settings.space_options)
        # The machines of a cluster keep, and download, weights of their own.
        if settings.cluster is None:
            check_weights_of(settings.space, settings.space_options, _backbones(settings))


def _backbones(settings: SearchSettings) -> list[str]:
    """Returns the pretrained backbones that the user lets be searched; empty for all."""
    words = settings.fix.get("backbone") or settings.narrow.get("backbone") or ""
    return [word.strip() for word in words.split(",") if word.strip()]
