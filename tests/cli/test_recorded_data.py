"""The data of commands that go on with a study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pretend_study import definition

from apertune.cli.recorded_data import keep_data, recorded_data
from apertune.errors import StudyError, UnknownNameError
from apertune.search.settings import Home, make_home
from apertune.search.studies.data_source import DataSource
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage

FLAGS = {"data": "my pictures", "image_size": 32, "trials": 3}


def studied(name: str, dataset: str, adapter: str, flags: dict[str, Any]) -> Home:
    """A study whose search was told its data by these flags."""
    home = make_home({})
    create_study(open_storage(home.storage), name, definition(dataset=dataset))
    home.study_folder(name).mkdir(parents=True)
    keep_data(home, name, adapter, flags)
    return home


@pytest.mark.parametrize("word", ["mri-convnet", "mri"])
def test_a_study_knows_its_data(word: str) -> None:
    """Named by a study or its data set, a command has the search's flags of the data, and those typed now win."""
    home = studied("mri-convnet", "mri", "folders", FLAGS)
    source, study = recorded_data(home, word, {"image_size": 64, "top": 2}, None)
    assert source == DataSource("folders", {"data": "my pictures", "image_size": 64})
    assert study == ("mri-convnet" if word == "mri-convnet" else None)


def test_what_is_typed_counts_as_it_is() -> None:
    """An adapter with flags, or one that a study used without any, is taken as typed."""
    home = studied("digits-convnet", "digits", "digits", {})
    studied("digits-convnet-2", "digits", "digits", {"limit": 100})
    assert recorded_data(home, "digits", {}, None) == (DataSource("digits"), None)
    typed = {"data": "x"}
    assert recorded_data(home, "folders", typed, "s") == (DataSource("folders", typed), "s")
    assert recorded_data(home, "digits", {}, "digits-convnet-2") == (
        DataSource("digits", {"limit": 100}),
        "digits-convnet-2",
    )


def test_studies_that_read_different_data_are_listed() -> None:
    """A data set whose studies were told different flags is no clear word; the line lists the studies."""
    home = studied("a", "mri", "folders", {"data": "one"})
    studied("b", "mri", "folders", {"data": "two"})
    with pytest.raises(StudyError, match=r"name one of them instead: a: folders --data one; b: folders --data two"):
        recorded_data(home, "mri", {}, None)


def test_a_study_without_words_may_be_of_a_data_set_that_needs_none() -> None:
    """A study that was made in Python is found by its data set, where that is one that can be read by name."""
    home = make_home({})
    create_study(open_storage(home.storage), "mine", definition(dataset="digits"))
    assert recorded_data(home, "mine", {}, None) == (DataSource("digits"), "mine")


def test_a_password_is_kept_nowhere() -> None:
    """Words that hold a password are not written beside the study."""
    home = studied("a", "mri", "folders", {"data": "https://me:secret@host/set.zip"})
    assert not list(home.study_folder("a").iterdir())
    with pytest.raises(StudyError, match="it is not known where the data of 'mri' are; name them as for the search"):
        recorded_data(home, "mri", {}, None)


def test_a_misspelt_data_set_with_flags_gets_the_nearest() -> None:
    """Flags of data belong to a data set that can be read, so those are what is suggested."""
    with pytest.raises(UnknownNameError, match="unknown data set 'folder'; did you mean 'folders'"):
        recorded_data(make_home({}), "folder", {"data": "x"}, None)
    assert not list(Path().iterdir())
