"""Nearest words for commands and choices that are not known."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from apertune.cli import cli
from apertune.errors import UnknownNameError


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("serch", "digits"), "unknown command 'serch'; did you mean 'search'? Known: compare, datasets, export, "),
        (
            ("datasets", "lst"),
            "unknown command 'lst'; did you mean 'list'? Known: audit, clean, describe, fetch, list.",
        ),
        (("spaces", "sho"), "unknown command 'sho'; did you mean 'show'? Known: list, show."),
        (("search", "digits", "--sampler", "tp"), "unknown sampler 'tp'; did you mean 'tpe'? Known: cmaes, gp, "),
        (("search", "digits", "--pruner", "hyperbnd"), "unknown pruner 'hyperbnd'; did you mean 'hyperband'? Known: "),
        (
            ("search", "digits", "--preset", "god"),
            "unknown preset 'god'; did you mean 'good'? Known: best, good, quick.",
        ),
        (
            ("search", "digits", "--resize", "pads"),
            "unknown resize 'pads'; did you mean 'pad'? Known: crop, pad, stretch.",
        ),
        (("spaces", "show", "convnet", "--task", "binry"), "unknown task 'binry'; did you mean 'binary'? Known: "),
    ],
)
def test_a_word_that_is_not_known_gets_the_nearest(words: tuple[str, ...], line: str) -> None:
    """One line in one form says which word is not known, the nearest, and all that are."""
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, UnknownNameError)
    assert str(done.exception).startswith(line)


def test_a_flag_in_place_of_a_command_is_clicks() -> None:
    """A flag that is not known is told by click, with near flags."""
    done = CliRunner().invoke(cli, ["--versio"])
    assert done.exit_code == 2
    assert "--version" in done.output
