"""The flag that CONTRIBUTING.md adds."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner
from guide import examples

from apertune.cli import doc_tables
from apertune.cli.setting_options import given_flags, read_settings, setting_options
from apertune.errors import SettingError
from apertune.search.tracking.provenance import described, recorded_settings
from apertune.settings_fields import declarations


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class of the guide, with its new field."""
    module = ModuleType("settings_of_the_guide")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(examples("A command-line flag")[0], vars(module))
    return vars(module)["SearchSettings"]


def test_the_flag_of_the_guide_is_an_option(added: Any) -> None:
    """The command gets the option with its help, and its value reaches the settings."""

    @click.command()
    @setting_options(declarations(added).values())
    def search(**flags: Any) -> None:
        click.echo(added(**read_settings(added, given_flags(flags))).max_trial_epochs)

    shown = CliRunner().invoke(search, ["--help"]).output
    assert "--max-trial-epochs INTEGER" in " ".join(shown.split())
    assert CliRunner().invoke(search, ["--max-trial-epochs", "3"]).output == "3\n"


def test_the_flag_of_the_guide_is_checked(added: Any) -> None:
    """A value out of the bounds, or of another type, is refused by the flag's name."""
    with pytest.raises(SettingError, match="--max-trial-epochs must be at least 1, but got 0"):
        added(max_trial_epochs=0)
    with pytest.raises(SettingError, match="--max-trial-epochs must be a whole number, but got 'many'"):
        added(max_trial_epochs="many")


def test_the_flag_of_the_guide_is_recorded_and_documented(added: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow gets the value, a rerun takes it from there, and the table of flags has a row for it."""
    monkeypatch.setattr("apertune.search.tracking.provenance.SearchSettings", added)
    params = described(added(max_trial_epochs=7), "toys-convnet", 1)
    assert params["max_trial_epochs"] == "7"
    assert recorded_settings("convnet", 2, params).max_trial_epochs == 7  # type: ignore[attr-defined]  # the guide's
    monkeypatch.setattr(doc_tables, "search_declarations", lambda: list(declarations(added).values()))
    assert (
        "| `--max-trial-epochs` | Train no configuration for more epochs than this, whatever its space asks for. | "
        "at least 1 | |"
    ) in doc_tables.flag_table()
