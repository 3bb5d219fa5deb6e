"""The option that says where to write."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from apertune.cli import cli

WRITING = ["report", "compare", "predict", "export", "label", "datasets describe", "datasets audit", "datasets fetch"]


def command(words: str) -> click.Command:
    found: click.Command = cli
    for word in words.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None
        found = below
    return found


@pytest.mark.parametrize("words", WRITING)
def test_every_command_that_writes_calls_it_to(words: str) -> None:
    """The help shows `--to FILE` or `--to FOLDER`, and no second name for it."""
    text = CliRunner().invoke(cli, [*words.split(), "--help"]).output
    assert "--to FILE" in text or "--to FOLDER" in text
    assert "--html" not in text
    assert "--output" not in text


@pytest.mark.parametrize(
    ("words", "old"), [("report", "--output"), ("predict", "--output"), ("datasets audit", "--html")]
)
def test_the_names_of_before_still_count(words: str, old: str) -> None:
    """The name that the option had before gives the same value."""
    found = command(words)
    values, arguments = [], ["x", "y"] if words == "predict" else ["x"]
    for flag in ("--to", old):
        context = click.Context(found, ignore_unknown_options=True)
        found.parse_args(context, [*arguments, flag, "there"])
        values.append({str(value) for value in context.params.values() if str(value) == "there"})
    assert values == [{"there"}, {"there"}]
