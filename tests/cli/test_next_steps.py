"""The commands that others recommend."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from click import Context

from apertune.cli.next_steps import command, data_words, holds_password
from apertune.cli.promote import promote
from apertune.cli.setting_options import given_flags
from apertune.search.studies.data_source import DataSource

GIVEN: dict[str, Any] = {
    "data": "my pictures/it's",
    "image_size": 32,
    "split": "0.6/0.2/0.2",
    "classes": ("cat", "dog"),
    "skip_bad": True,
    "option": ("labels=nested",),
    "all_images": False,
}


def test_a_recommended_command_means_the_same_when_it_is_pasted() -> None:
    """The shell and the next command read back every flag of the data as it was given."""
    line = command("promote", *data_words(DataSource("folders", GIVEN)))
    words = shlex.split(line)
    assert words[:3] == ["apertune", "promote", "folders"]
    context = Context(promote)
    promote.parse_args(context, words[2:])
    read = given_flags({name: context.params.get(name) for name in GIVEN})
    assert read == {name: value for name, value in GIVEN.items() if value is not False}


def test_values_of_a_file_become_flags() -> None:
    """Lists and tables, as a TOML file writes them, become the flags that mean the same."""
    given = {"split": [0.6, 0.2, 0.2], "classes": ["cat", "dog"], "option": {"grey": True, "labels": "nested"}}
    words = ["folders", "--split", "0.6/0.2/0.2", "--classes", "cat", "--classes", "dog"]
    words += ["--option", "grey=yes", "--option", "labels=nested"]
    assert sorted(data_words(DataSource("folders", given))) == sorted(words)


@pytest.mark.parametrize("address", ["https://me:secret@host/set.zip", "https://host/set.zip?token=secret"])
def test_a_password_is_not_shown(address: str) -> None:
    """Addresses are shown without their secrets."""
    source = DataSource("folders", {"data": address})
    assert holds_password(source)
    assert "secret" not in command("promote", *data_words(source))
    assert not holds_password(DataSource("folders", {"data": "pictures"}))
