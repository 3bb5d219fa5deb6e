"""The database holds real values where samplers see places in a grid."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from pretend_study import Bench

from apertune.search.messages import TrialResult
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import make_sampler
from apertune.search.strategies.translation import suggest
from apertune.search.studies.opening import open_study
from apertune.search.studies.readable import readable
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.storage.stored_params import StoredParams
from apertune.search.studies.study import Study
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Values

SPACE = SearchSpace((
    Parameter("batch_size", "int", 64, low=16, high=512, step=2, sampling="log"),
    Parameter("width", "float", 1.0, low=0.25, high=4.0, step=2, sampling="log"),
    Parameter("rate", "float", 1e-3, low=1e-4, high=1e-1, sampling="log"),
))  # fmt: skip
LONG = Parameter("units", "int", 1, low=1, high=10**6, step=1.01, sampling="log")


def train(study: Study, count: int) -> list[Values]:
    """Asks and tells trials, and returns their values."""
    asked = []
    for _ in range(count):
        one = study.ask()
        assert one is not None
        asked.append(one.values)
        study.tell(TrialResult(one.number, "complete", value=float(one.values["rate"]), epochs=1))
    return asked


def seen_by_others(bench: Bench) -> optuna.Study:
    """Optuna's own view of the study, as its dashboard has it."""
    return optuna.load_study(study_name=bench.study.name, storage=bench.url)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path, space=SPACE)
    bench.study.use(make_sampler("tpe", 0), make_pruner("none", 4))
    return bench


def test_others_see_real_values(bench: Bench) -> None:
    """Optuna's own trials have the values that trials were trained with, those of the enqueued defaults, too."""
    values = train(bench.study, 8)
    assert [trial.params for trial in seen_by_others(bench).trials] == values
    assert values[0]["batch_size"] == 64
    assert [record.params for record in open_study(open_storage(bench.url), bench.study.name).records()] == values
    copied = readable(open_study(open_storage(bench.url), bench.study.name))
    assert [trial.params for trial in copied.trials] == values


def test_samplers_see_the_order_of_the_grid(bench: Bench) -> None:
    """They propose what they propose in a study without a database, also after a restart."""
    told = optuna.create_study(sampler=make_sampler("tpe", 0), direction="maximize")
    told.enqueue_trial({"batch_size": 2, "width": 2, "rate": 1e-3})
    expected = []
    for _ in range(14):
        trial = told.ask()
        expected.append(suggest(trial, SPACE))
        told.tell(trial, float(expected[-1]["rate"]))
    assert train(bench.study, 14) == expected
    before = [(trial.params, trial.distributions) for trial in bench.study.optuna.trials]
    bench.reopen()
    assert [(trial.params, trial.distributions) for trial in bench.study.optuna.trials] == before
    assert isinstance(before[0][1]["batch_size"], IntDistribution)
    assert len(train(bench.study, 2)) == 2


def test_a_study_of_an_earlier_version_goes_on_with_places(tmp_path: Path) -> None:
    """Its trials keep their values, and new ones are written as the old ones are."""
    bench = Bench(tmp_path, space=SPACE)
    older = open_study(open_storage(bench.url), bench.study.name)
    values = train(older, 3)
    assert isinstance(seen_by_others(bench).trials[0].distributions["batch_size"], IntDistribution)
    bench.reopen()
    values += train(bench.study, 3)
    assert [record.params for record in bench.study.records()] == values
    assert {type(trial.distributions["batch_size"]) for trial in seen_by_others(bench).trials} == {IntDistribution}


def test_a_study_that_is_put_back_has_real_values(bench: Bench) -> None:
    """A database that was deleted during the search holds the same afterwards."""
    values = train(bench.study, 3)
    for path in bench.folder.glob("studies.db*"):
        path.unlink()
    values += train(bench.study, 1)
    assert [trial.params for trial in seen_by_others(bench).trials] == values


def test_a_long_grid_is_stored_as_places() -> None:
    """Each trial would hold all its values."""
    stored = StoredParams(SearchSpace((LONG, *SPACE.parameters)), [])
    places = IntDistribution(0, 5)
    assert stored.stored("units", places) == places
    assert stored.stored("batch_size", places) == CategoricalDistribution((16, 32, 64, 128, 256, 512))
