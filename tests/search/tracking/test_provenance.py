from __future__ import annotations

import sys

import pytest

from apertune import datasets
from apertune.search import SearchSettings
from apertune.search.tracking.provenance import about, described, logged_dataset, recorded_settings
from apertune.settings_fields import declarations


@pytest.mark.parametrize("secret", ["s3cret", "s3'cret", "s3 cret", 's3"cret', "s3/cret"])
def test_a_password_in_the_command_is_not_told(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """The command is a tag of every run, word for word but for the credentials of an address in it."""
    words = ["/somewhere/apertune", "search", "digits", "--storage", f"postgresql+psycopg://me:{secret}@host/studies"]
    words += ["--data", f"https://host/a.zip?sig={secret}"]
    monkeypatch.setattr(sys, "argv", words)
    tags = about(datasets.load("digits"))
    assert tags["command"].startswith("apertune search digits --storage")
    assert "host/studies" in tags["command"]
    assert not any("s3" in value or "cret" in value for value in tags.values())
    assert tags["mlflow.source.name"] == "apertune search digits --storage studies --data a.zip?sig=***"


def test_settings_are_told_without_the_storage() -> None:
    """Every setting that was made is a param of the search's run; the storage's address is not."""
    told = described(
        SearchSettings(trials=3, fix={"blocks": "1"}, storage="postgresql://me:s3cret@host/x"), "a-study", 2
    )
    assert told["trials"] == "3"
    assert told["fix"] == '{"blocks": "1"}'
    assert told["study"] == "a-study"
    assert "storage" not in told


@pytest.mark.parametrize("patience", [None, 3])
def test_settings_for_a_rerun_are_read_back(patience: int | None) -> None:
    """Each setting that a rerun needs comes back from the params as it was, None included; all others are defaults."""
    settings = SearchSettings(
        space_options={"a": "1"}, recipe="standard", patience=patience, folds=3, repeats=2, mixed_precision=True, seed=9
    )
    again = recorded_settings("convnet", 20, described(settings, "a-study", 2))
    for name, one in declarations(SearchSettings).items():
        assert getattr(again, name) == (getattr(settings, name) if one.rerun else one.default), name


def test_a_search_without_params_had_the_defaults() -> None:
    """A search that MLflow knows nothing about has the space and epochs that are given, and defaults for the rest."""
    assert recorded_settings("resnet", 7, {}) == SearchSettings(space="resnet", epochs=7)


def test_the_data_are_told_with_their_fingerprint() -> None:
    """The logged input names the data, their fingerprint and the sizes of the splits."""
    digits = datasets.load("digits")
    told = logged_dataset(digits)
    assert (told.name, told.digest) == ("digits", digits.fingerprint)
    assert told.facts["train"] == str(len(digits.train))
