"""Budgets in one word, in the command and in Python."""

from __future__ import annotations

import pytest

from apertune.api.tuning import _settings
from apertune.cli.search import preset_flags, search_settings
from apertune.errors import UnknownNameError
from apertune.search.settings import SearchSettings, make_home
from apertune.search.strategies.presets import PRESETS, preset_settings


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_the_same_in_both(name: str) -> None:
    """The command and Python make the same settings of it, which are valid, and what is given beside it wins."""
    by_command, rest = search_settings({**preset_flags(name), "epochs": 3})
    in_python = _settings({"epochs": 3}, None, name, make_home({}))
    assert by_command == in_python
    assert rest == {}
    assert by_command.epochs == 3
    assert by_command.trials == PRESETS[name].settings["trials"]


def test_presets_grow() -> None:
    """Each allows more epochs of training in all than the one before."""
    totals = [one.trials * one.epochs for one in (SearchSettings(**preset_settings(name)) for name in PRESETS)]
    assert totals == sorted(set(totals))


def test_an_unknown_one_is_refused() -> None:
    """The message lists the presets there are, and suggests the nearest."""
    with pytest.raises(UnknownNameError, match=r"preset 'goood'; did you mean 'good'\? Known: best, good, quick\."):
        preset_settings("goood")
    assert preset_settings(None) == {}
