"""Words that a shell offers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from pretend_study import definition

from apertune.cli import cli, completion
from apertune.search.settings import make_home
from apertune.search.studies import study
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage


def offered(*words: str) -> set[str]:
    """The words that follow a command's, of which the last is only begun."""
    *before, begun = words
    return {item.value for item in ShellComplete(cli, {}, "apertune", "").get_completions(list(before), begun)}


@pytest.fixture
def searched() -> None:
    create_study(open_storage(make_home({}).storage), "digits-mine", definition(dataset="digits"))


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("sea",), {"search"}),
        (("search", "fash"), {"fashion_mnist"}),
        (("datasets", "describe", "dig"), {"digits"}),
        (("search", "digits", "--space", "re"), {"residual"}),
        (("spaces", "show", "re"), {"residual"}),
        (("search", "digits", "--objective", "balanced_a"), {"balanced_accuracy"}),
        (("search", "digits", "--objective", "lat"), {"latency_ms"}),
        (("search", "digits", "--sampler", "tp"), {"tpe"}),
        (("search", "digits", "--study", "d"), {"digits-mine"}),
        (("status", "dig"), {"digits", "digits-mine"}),
        (("stop", "dig"), {"digits", "digits-mine"}),
        (("report", "digits-"), {"digits-mine"}),
        (("compare", "dig"), {"digits", "digits-mine"}),
        (("promote", "dig"), {"digits", "digits-mine"}),
    ],
)
def test_a_shell_is_offered_what_there_is(words: tuple[str, ...], expected: set[str]) -> None:
    """Commands, data sets, spaces, metrics, samplers and the studies of this folder complete what was begun."""
    assert offered(*words) == expected


@pytest.mark.parametrize(
    "words", [("search", "folders", "--data", ""), ("predict", "m", ""), ("report", "s", "--to", "")]
)
def test_a_shell_completes_paths_itself(words: tuple[str, ...]) -> None:
    """The shell is told that a path is asked for, and completes it."""
    items = ShellComplete(cli, {}, "apertune", "").get_completions(list(words[:-1]), words[-1])
    assert [item.type for item in items] == ["file"]


def test_a_folder_without_studies_or_with_a_broken_file_offers_nothing() -> None:
    """Nothing is offered, created or complained about."""
    assert offered("status", "") == set()
    assert not list(Path().iterdir())
    Path("mlflow").mkdir()
    Path("mlflow/studies.db").write_text("no database", encoding="utf-8")
    assert offered("status", "") == set()


def test_studies_are_known_by_the_attribute_that_they_have() -> None:
    """The key under which studies keep their definition is that of the studies themselves."""
    assert completion.DEFINITION == study.DEFINITION


def test_the_line_of_the_help_works() -> None:
    """The help says how completion is switched on, and that gives a script that bash can read."""
    assert 'eval "$(_APERTUNE_COMPLETE=bash_source apertune)"' in CliRunner().invoke(cli, ["--help"]).output
    environment = {**os.environ, "_APERTUNE_COMPLETE": "bash_source"}
    done = subprocess.run(
        [sys.executable, "-m", "apertune"], env=environment, capture_output=True, text=True, check=False
    )
    assert "complete -o nosort -F _apertune_completion apertune" in done.stdout
