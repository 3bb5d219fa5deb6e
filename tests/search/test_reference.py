from __future__ import annotations

from dataclasses import replace

import pytest

from apertune import datasets
from apertune.errors import SettingError
from apertune.search import SearchSettings
from apertune.search.reference import reference_settings


def test_a_reference_is_trained_as_published() -> None:
    """The FER2013 article's network, epochs and patience are used, under whatever name the data goes."""
    faces = replace(datasets.load("digits"), name="faces", adapter="fer2013")
    settings = reference_settings(faces, SearchSettings(trials=50, epochs=3, workers=1, fix={"blocks": "1"}))
    assert (settings.space, settings.epochs, settings.patience) == ("fer2013-cnn", 30, 5)
    assert (settings.study, settings.trials, settings.workers, settings.fix) == ("faces-reference", 1, 1, {})


def test_a_data_set_without_a_reference_says_so() -> None:
    """Where nothing was published, the message lists the data sets that have a reference."""
    with pytest.raises(SettingError, match=r"'digits' has none; these have: .*fer2013"):
        reference_settings(datasets.load("digits"), SearchSettings())
