"""The naming of studies by every command that reads one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from pretend_study import definition

from apertune.cli import cli
from apertune.cli.study_choice import one_study, studies_of
from apertune.errors import StudyError
from apertune.search.results import read_studies
from apertune.search.settings import Home, make_home
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage


@pytest.fixture
def place() -> Home:
    """A folder with a study of one data set, two of another, and a published network beside a search."""
    home = make_home({})
    storage = open_storage(home.storage)
    studies = {
        "pets-convnet": {"dataset": "pets"},
        "digits-convnet": {"dataset": "digits"},
        "mine": {"dataset": "digits"},
        "faces-convnet": {"dataset": "faces"},
        "faces-reference": {"dataset": "faces", "space": "fer2013-cnn"},
    }
    for name, facts in studies.items():
        create_study(storage, name, definition(**facts))
    return home


def test_a_study_is_named_by_itself_or_its_data_set(place: Home) -> None:
    """A study's name, a data set of one study, and a data set of one search beside a published network are clear."""
    assert one_study(place, "mine").name == "mine"
    assert one_study(place, "pets").name == "pets-convnet"
    assert one_study(place, "faces").name == "faces-convnet"


def test_a_data_set_of_several_studies_gets_their_list(place: Home) -> None:
    """One line lists the studies that a word fits; a command may know which of them is meant."""
    with pytest.raises(StudyError, match="data set 'digits' has 2 studies; name one of them: digits-convnet, mine"):
        one_study(place, "digits")
    assert one_study(place, "digits", clear=lambda study: study.name == "mine").name == "mine"


def test_a_word_that_fits_nothing_gets_the_nearest(place: Home) -> None:
    """The line names the folder, the nearest study or data set, and all studies."""
    line = (
        f"no study or data set is called 'digit' in {place.root}; did you mean 'digits'? "
        "There are: digits-convnet, faces-convnet, faces-reference, mine (of digits), pets-convnet"
    )
    every = read_studies(place)
    for call in (lambda: one_study(place, "digit"), lambda: studies_of(place, every, "digit", None)):
        with pytest.raises(StudyError) as raised:
            call()
        assert str(raised.value) == line


def test_compare_takes_a_study_in_place_of_a_data_set(place: Home) -> None:
    """A study's name alone chooses it; with another --study it is refused."""
    every = read_studies(place)
    assert [study.name for study in studies_of(place, every, "mine", None)] == ["mine"]
    assert [study.name for study in studies_of(place, every, "digits", None)] == ["digits-convnet", "mine"]
    with pytest.raises(StudyError, match="'mine' is a study already; leave out --study pets-convnet"):
        studies_of(place, every, "mine", "pets-convnet")


@pytest.mark.parametrize("command", ["status", "stop", "report", "compare", "promote"])
def test_a_folder_without_studies_is_named(command: str) -> None:
    """In a wrong folder every command names it, and says to change it; nothing is made there."""
    done = CliRunner().invoke(cli, [command, "mri"])
    assert isinstance(done.exception, StudyError)
    line = f"no studies in {Path('mlflow').resolve()}; change to the folder where the search was started"
    assert str(done.exception).startswith(line)
    assert not list(Path().iterdir())


def test_status_takes_a_data_set(place: Home) -> None:
    """The lines name the study that was meant."""
    assert CliRunner().invoke(cli, ["status", "pets"]).output.startswith("Study pets-convnet: not running")
