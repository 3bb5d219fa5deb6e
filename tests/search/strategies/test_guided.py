"""The guided sampler: its sources, its determinism, and what it makes of many parameters."""

from __future__ import annotations

from collections import Counter
from typing import Any

import optuna
import pytest

from apertune.search.strategies.guided import GuidedSampler
from apertune.search.strategies.samplers import make_sampler
from apertune.search.strategies.translation import SOURCE, suggest, to_optuna
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace, Values
from apertune.spaces.search_space.prior import Prior

WIDE = SearchSpace(
    tuple(Parameter(f"x{number}", "float", 0.5, low=0.0, high=1.0, sampling="linear") for number in range(20))
)
BRANCHED = SearchSpace(
    (
        Parameter("kind", "choice", "a", values=("a", "b")),
        Parameter("left", "float", 0.2, low=0.0, high=1.0, sampling="linear", conditions=(Condition("kind", ("a",)),)),
        Parameter("right", "int", 4, low=1, high=64, step=2, sampling="log", conditions=(Condition("kind", ("b",)),)),
    )
)


def searched(space: SearchSpace, trials: int, score: Any, **options: str) -> tuple[optuna.Study, list[Values]]:
    study = optuna.create_study(
        direction="maximize", sampler=make_sampler("guided", 3, options, Prior(space, {}, "weak"))
    )
    drawn = []
    for _ in range(trials):
        trial = study.ask()
        values = suggest(trial, space)
        drawn.append(values)
        study.tell(trial, score(values))
    return study, drawn


def sources(study: optuna.Study) -> Counter[str]:
    return Counter(trial.system_attrs.get(SOURCE, "queued") for trial in study.trials)


def test_the_first_trials_come_from_the_prior() -> None:
    """Nothing but the prior and the whole space is asked before some trials have ended."""
    study, _ = searched(WIDE, 5, lambda values: values["x0"], n_startup_trials="5")
    assert set(sources(study)) <= {"prior", "space"}


def test_later_trials_come_from_the_neighbourhood_and_from_tpe() -> None:
    """With many parameters most proposals are neighbours of the best trials; TPE gains with the trials."""
    study, drawn = searched(WIDE, 60, lambda values: -abs(values["x0"] - 0.9), n_startup_trials="5")
    counts = sources(study)
    assert counts["neighbourhood"] > counts["tpe"] > 0
    assert all(WIDE.contains(values) for values in drawn)
    late = [trial for trial in study.trials if trial.system_attrs[SOURCE] == "neighbourhood"][5:]
    assert sum(abs(trial.params["x0"] - 0.9) < 0.2 for trial in late) > len(late) / 2


def test_a_neighbour_keeps_most_of_what_it_came_from() -> None:
    """About a fifth of the parameters are drawn anew."""
    study, drawn = searched(WIDE, 40, lambda values: values["x0"], n_startup_trials="3", tpe_patience="1000")
    known: list[Values] = []
    kept = []
    for trial, values in zip(study.trials, drawn, strict=True):
        if trial.system_attrs[SOURCE] == "neighbourhood":
            kept.append(max(sum(values[name] == other[name] for name in values) for other in known) / len(values))
        known.append(values)
    assert 0.65 < sum(kept) / len(kept) < 0.95


def test_one_seed_draws_the_same_and_another_something_else() -> None:
    """A search with a seed can be repeated."""
    first, again = (searched(BRANCHED, 25, lambda values: float(len(values)))[1] for _ in range(2))
    assert first == again
    sampler = make_sampler("guided", 4, {}, Prior(BRANCHED, {}, "weak"))
    study = optuna.create_study(sampler=sampler)
    assert [suggest(study.ask(), BRANCHED) for _ in range(3)] != first[:3]


def test_parameters_that_a_queued_trial_lacks_are_drawn_from_the_prior() -> None:
    """A queued configuration keeps its values, and gets the rest."""
    study = optuna.create_study(sampler=make_sampler("guided", 0, {}, Prior(BRANCHED, {}, "weak")))
    study.enqueue_trial({"kind": "b"})
    values = suggest(study.ask(), BRANCHED)
    assert values["kind"] == "b"
    assert BRANCHED.contains(values)


@pytest.mark.parametrize("name", ["guided", "tpe", "random"])
def test_branches_that_were_never_taken_can_be(name: str) -> None:
    """Conditional parameters are drawn whichever sampler proposes the branch, and trials fit the space."""
    study = optuna.create_study(direction="maximize", sampler=make_sampler(name, 1, {}, Prior(BRANCHED, {}, "weak")))
    study.enqueue_trial(to_optuna(BRANCHED, BRANCHED.defaults()))
    kinds = set()
    for _ in range(40):
        trial = study.ask()
        values = suggest(trial, BRANCHED)
        assert BRANCHED.contains(values)
        kinds.add(values["kind"])
        study.tell(trial, float(values["kind"] == "b"))
    assert kinds == {"a", "b"}


def test_without_tpe_the_prior_is_asked_for_ever() -> None:
    """The random sampler with a prior learns nothing from trials."""
    sampler = GuidedSampler(Prior(WIDE, {}, "weak"), 0, None, n_startup_trials=0)
    study = optuna.create_study(sampler=sampler)
    for _ in range(20):
        trial = study.ask()
        assert WIDE.contains(suggest(trial, WIDE))
        study.tell(trial, 0.0)
    assert set(sources(study)) <= {"prior", "space"}
