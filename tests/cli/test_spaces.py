from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from apertune.cli.spaces import spaces
from apertune.errors import SettingError, UnknownNameError
from apertune.spaces.registry import SPACES


def run(*words: str) -> str:
    result = CliRunner().invoke(spaces, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_list_names_every_space() -> None:
    """The list holds all spaces, as a table and as JSON, and only the published ones with --published."""
    table = run("list")
    assert all(name in table for name in SPACES)
    document = json.loads(run("list", "--json"))
    assert [space["name"] for space in document["spaces"]] == list(SPACES)
    published = run("list", "--published")
    assert "accuracy 0.6266" in published
    assert "residual" not in published


def test_show_tells_everything_that_varies() -> None:
    """A space's table and JSON document have the same parameters, each with range, condition and default."""
    arguments = ("show", "convnet", "--image-size", "8", "--channels", "1", "--images", "1200")
    table = run(*arguments)
    document = json.loads(run(*arguments, "--json"))
    momentum = next(entry for entry in document["parameters"] if entry["name"] == "momentum")
    assert momentum["key"] == "momentum@optimizer=sgd"
    assert momentum["condition"] == "optimizer is sgd"
    assert (momentum["range"], momentum["default"]) == ("0.5 to 0.99", 0.9)
    assert all(entry["name"] in table for entry in document["parameters"])
    assert f"convnet: {len(document['parameters'])} parameters" in table


def test_an_unknown_space_is_the_users_mistake() -> None:
    """An unknown name raises the error that the command line prints in one line."""
    with pytest.raises(UnknownNameError, match="did you mean 'residual'"):
        CliRunner().invoke(spaces, ["show", "residuall"], catch_exceptions=False)


def test_an_option_without_a_value_is_refused() -> None:
    """A word that is not NAME=VALUE is refused with the option, the rule and the word."""
    with pytest.raises(SettingError, match="--space-option must be NAME=VALUE, but got 'weights'"):
        CliRunner().invoke(spaces, ["show", "pretrained", "--space-option", "weights"], catch_exceptions=False)
