"""Help in groups of options."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from apertune.cli import cli
from apertune.cli.option_groups import GROUPS, REST, in_group
from apertune.cli.search import search

HEAVY = {"numpy", "tensorflow", "keras", "mlflow", "optuna"}


def sections(text: str) -> list[str]:
    return re.findall(r"^(\w[\w ]*):$", text, re.MULTILINE)


def test_the_help_of_search_stands_in_groups() -> None:
    """Every group has a heading, in the order of a search; each option stands once."""
    text = CliRunner().invoke(cli, ["search", "--help"]).output
    assert sections(text) == [*GROUPS, REST]
    flags = re.findall(r"^  (--[\w-]+)", text.partition("\nData:\n")[2], re.MULTILINE)
    assert len(flags) == len(set(flags)) > 50
    assert text.index("Space:") < text.index("--space TEXT") < text.index("Budget:") < text.index("--trials")


def test_every_setting_of_search_has_a_group() -> None:
    """Only the file of settings and the form of the answer stand apart."""
    rest = {one.name for one in search.params if isinstance(one, click.Option) and not getattr(one, "group", "")}
    assert rest == {"config", "as_json"}


@pytest.mark.parametrize("words", [("promote",), ("rerun",), ("datasets", "describe")])
def test_other_commands_share_the_groups(words: tuple[str, ...]) -> None:
    """Options of data stand under the same heading everywhere."""
    assert sections(CliRunner().invoke(cli, [*words, "--help"]).output)[0] == "Data"


def test_an_option_is_grouped_before_and_after_its_command_is_made() -> None:
    """The decorator takes a function that is to become a command, and a command."""

    @in_group("Data")
    @click.option("--one")
    def function() -> None: ...

    command = in_group("Space")(click.option("--two")(click.command()(function)))
    assert {one.name: getattr(one, "group", None) for one in command.params} == {"one": "Data", "two": "Space"}


def test_help_imports_nothing_heavy() -> None:
    """The groups cost no library: neither NumPy nor what draws tables."""
    program = (
        "import sys\nfrom apertune.cli import cli\n"
        "cli.main(['search', '--help'], standalone_mode=False)\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "LOADED" in loaded
    assert not loaded & HEAVY
