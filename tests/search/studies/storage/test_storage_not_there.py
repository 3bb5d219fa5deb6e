"""Reading from a database that is not there creates nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from apertune.cli import cli
from apertune.errors import SettingError, StudyError
from apertune.search.results import read_studies, read_study
from apertune.search.settings import make_home
from apertune.search.studies.storage.storage import check_storage


@pytest.mark.parametrize("command", [["studies"], ["status", "s"], ["stop", "s"], ["compare", "digits"]])
def test_a_file_that_is_not_there_is_named(command: list[str]) -> None:
    """A command that only reads says which file is missing, and leaves none."""
    done = CliRunner().invoke(cli, [*command, "--storage", "sqlite:///nope.db"])
    assert isinstance(done.exception, SettingError)
    file = Path("nope.db").resolve()
    line = f"the studies' database is not there: {file}; name the one that a search made with --storage"
    assert str(done.exception) == line
    assert not list(Path().iterdir())


def test_before_the_first_search_there_are_no_studies() -> None:
    """Without a search so far the list is empty and no name is known; no folder is made for it."""
    done = CliRunner().invoke(cli, ["studies"], catch_exceptions=False)
    assert done.output.startswith(f"There are no studies in {Path('mlflow').resolve()}; change to the folder")
    with pytest.raises(StudyError, match="there is none yet; start one with apertune search"):
        read_study(make_home({}), "s")
    assert not list(Path().iterdir())


def test_a_search_asks_for_its_data_sets_studies_before_there_is_a_file() -> None:
    """The studies of one data set are none where the file is still to be made."""
    assert read_studies(make_home({}, storage="sqlite:///new.db"), "digits") == []
    assert not list(Path().iterdir())


def test_a_search_makes_the_default_folder_and_no_other() -> None:
    """The folder of the default file may be missing; of a file that the user named it may not."""
    check_storage(make_home({}))
    check_storage(make_home({}, storage="sqlite:///new.db"))
    with pytest.raises(SettingError, match=r"the folder of the studies' database is not there: .*deep; create it"):
        check_storage(make_home({"APERTUNE_STORAGE": "sqlite:///deep/new.db"}))
