"""Messages in the command's words and in Python's."""

from __future__ import annotations

import pytest

from apertune.datasets.settings import LoadSettings
from apertune.errors import SettingError
from apertune.search.settings import SearchSettings
from apertune.settings_fields import declarations
from apertune.wording import in_python, speak_of_flags

for settings in (LoadSettings, SearchSettings):
    declarations(settings)


@pytest.mark.parametrize(
    ("said", "in_words_of_python"),
    [
        ("--trials must be at least 1, but got 0", "trials must be at least 1, but got 0"),
        ("feeds; --space-option rescale=no feeds", "feeds; space_options={'rescale': 'no'} feeds"),
        ("--option label-separator='|' if it is", "options={'label-separator': '|'} if it is"),
        ("narrow it: --narrow filters=16,32.", "narrow it: narrow={'filters': '16,32'}."),
        ("give shares with --split 0.7/0.15/0.15", "give shares with split=(0.7, 0.15, 0.15)"),
        ("take --sampler tpe, or --pruner none", "take sampler='tpe', or pruner='none'"),
        ("--folds 5 needs images", "folds=5 needs images"),
        ("drawn with --data-seed", "drawn with seed"),
        ("--pruner compares folds", "pruner compares folds"),
        ("no study yet; start one with: apertune search digits", "no study yet; start one with: apertune.tune(data)"),
        ("end it with apertune stop a-b", "end it with apertune.open_study('a-b').stop()"),
        ("of the space sent_0123456789ab:build", "of the space build"),
        ("a minus--b and 3 - -4 are no flags", "a minus--b and 3 - -4 are no flags"),
    ],
)
def test_flags_become_arguments(said: str, in_words_of_python: str) -> None:
    """A flag is called as Python calls it, with its value where there is one, and what has no flag stays as it is."""
    assert in_python(said) == in_words_of_python
    assert in_python(in_words_of_python) == in_words_of_python


def test_one_error_speaks_both_tongues() -> None:
    """The same mistake is told with a flag in the command and with an argument in Python, and pickled as written."""
    with pytest.raises(SettingError) as caught:
        SearchSettings(space_options=3)  # type: ignore[arg-type]
    assert str(caught.value) == "--space-option must be a table of names and values, but got 3"
    speak_of_flags(flags=False)
    assert str(caught.value) == "space_options must be a table of names and values, but got 3"
    assert caught.value.message.startswith("--space-option")
