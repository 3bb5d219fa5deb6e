"""`apertune.tune`: its arguments, its errors, and going on with a study."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import apertune
from apertune.api.tuning import _last_settings, tune
from apertune.search.settings import SearchSettings, make_home
from apertune.settings_fields import declarations


def test_its_signature_has_every_setting() -> None:
    """Help and completion show each field of SearchSettings with its default."""
    parameters = inspect.signature(tune).parameters
    for name, declared in declarations(SearchSettings).items():
        assert name in parameters
        if parameters[name].default is not None:
            assert parameters[name].default == declared.default


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, "unknown argument 'epoch'; did you mean 'epochs'\\? "),
        ({"trials": 0}, "^trials must be at least 1, but got 0$"),
        ({"space": "resnet"}, "unknown space 'resnet'"),
        ({"preset": "fast"}, "unknown preset 'fast'; Known: best, good, quick."),
        ({"space_options": 3}, "^space_options must be a table of names and values, but got 3$"),
        ({"sampler": "tpee"}, "unknown sampler 'tpee'; did you mean 'tpe'"),
        ({"patience": "soon"}, "^patience must be a whole number, but got 'soon'$"),
        ({"objective": 5}, "^objective must be text or a list of texts, but got 5$"),
        ({"fix": {"a": 1}, "narrow": {"a": "1..2"}}, "^fix and narrow both name a; give one of them$"),
        ({"pruner": "hyperband", "folds": 3}, "with folds or repeats trials are pruned by their rounds"),
    ],
)
def test_a_wrong_argument_is_said_in_words_of_python(given: dict[str, Any], message: str) -> None:
    """One line says what was wrong and what would be right, before any worker starts."""
    data = apertune.load("digits")
    with pytest.raises(apertune.UserError, match=message) as caught:
        tune(data, **given)
    assert "--" not in str(caught.value)


def test_data_must_be_a_data_set() -> None:
    """Arrays are not taken for a data set, and the message says how to make one of them."""
    with pytest.raises(apertune.UserError, match=r"data must be a data set, such as .*from_arrays.*but got list"):
        tune([1, 2])  # type: ignore[arg-type]


def test_a_study_brings_the_settings_of_its_last_search(tuned: apertune.Study) -> None:
    """Naming a study is enough to go on with it: what shaped its last search is known, but not where it ran."""
    last = _last_settings(tuned.home, tuned.name)
    assert (last["trials"], last["epochs"], last["pruner"]) == (2, 2, "none")
    assert (last["narrow"], last["fix"]) == ({"filters": "16,32"}, {"blocks": "2"})
    assert "workers" not in last
    assert SearchSettings(**last).space == "convnet"
    assert _last_settings(make_home({}), "new") == {}


@pytest.mark.ci
def test_a_search_goes_on_with_a_study(tuned: apertune.Study, empty_store: Any) -> None:
    """`study=` with a study itself adds trials to it, and a function hears of each trial that ends."""
    heard: list[int] = []
    before = len(tuned.trials)
    assert tuned.data is not None
    more = tune(
        tuned.data,
        study=tuned,
        trials=1,
        workers=1,
        quiet=True,
        on_trial_end=lambda result: heard.append(result.number),
    )
    assert more.name == tuned.name
    assert len(more.trials) == before + 1
    assert heard == [before]
