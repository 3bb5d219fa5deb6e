"""Trials as they are read from the tables at once, against Optuna's own reading of the same database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from postgres_server import postgres_server
from pretend_study import Bench, train

from apertune.search.studies.opening import open_study
from apertune.search.studies.storage import reading
from apertune.search.studies.storage.reading import StudyDatabase
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.trial_records import RecordFile, TrialRecord

DISTRIBUTIONS = {
    "rate": FloatDistribution(1e-5, 1.0, log=True),
    "share": FloatDistribution(0.0, 1.0, step=0.25),
    "depth": IntDistribution(1, 9),
    "flip": CategoricalDistribution((True, False, None)),
    "kind": CategoricalDistribution(("a", 1, 2.5, "ü")),
}


def trial(state: TrialState, **facts: object) -> FrozenTrial:
    params = {"rate": 0.01, "share": 0.5, "depth": 3, "flip": None, "kind": "ü"}
    return create_trial(state=state, params=params, distributions=dict(DISTRIBUTIONS), **facts)  # type: ignore[arg-type]


def filled(url: str) -> StudyDatabase:
    """A database with two studies, whose trials are in every state and have every kind of value."""
    storage = open_storage(url)
    for name, objectives in (("one", 1), ("two", 2)):
        study = optuna.create_study(study_name=name, storage=storage, directions=["maximize"] * objectives)
        for value in (0.5, math.inf, -math.inf):
            study.add_trial(trial(TrialState.COMPLETE, values=[value] * objectives))
        steps = {1: 0.1, 3: math.nan, 2: math.inf, 7: -math.inf}
        study.add_trial(trial(TrialState.PRUNED, intermediate_values=steps if objectives == 1 else {}))
        study.add_trial(create_trial(state=TrialState.FAIL, user_attrs={"note": {"ä": [1, None, "x" * 5000]}}))
        begun = study.ask({"rate": DISTRIBUTIONS["rate"]})
        begun.set_user_attr("attempts", 2)
        study.ask()
        study.enqueue_trial({"rate": 0.5}, user_attrs={"origin": "the defaults"})
    assert isinstance(storage, StudyDatabase)
    return storage


def facts(trials: list[FrozenTrial]) -> list[str]:
    return [reading._facts(one) for one in trials]


def read_by_optuna(url: str, study: int) -> list[FrozenTrial]:
    storage = RDBStorage(url)
    trials = storage.get_all_trials(study, deepcopy=False)
    close(storage)
    return trials


def close(storage: RDBStorage) -> None:
    """Closes connections, of which PostgreSQL's complain when they are forgotten."""
    storage.remove_session()
    storage.engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.ci)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'studies.db'}"
        return
    with postgres_server("secret", ["studies"]) as server:
        yield server.address("studies")


def test_every_trial_is_as_optuna_reads_it(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Trials in every state, with every kind of value and several studies in a database, equal those of Optuna."""
    storage = filled(url)
    for name in ("one", "two"):
        study = storage.get_study_id_from_name(name)
        read = storage._read_quickly(study, None)
        assert len(read) == 8
        assert facts(read) == facts(read_by_optuna(url, study))
        assert facts(storage.get_all_trials(study)) == facts(read)
        waiting = storage.get_all_trials(study, states=(TrialState.WAITING, TrialState.FAIL))
        assert [one.state for one in waiting] == [TrialState.FAIL, TrialState.WAITING]
    assert not caplog.records
    close(storage)


def test_a_study_without_trials_or_that_is_not_there(tmp_path: Path) -> None:
    """No trials are read as none, and a study that is not there is an error, as with Optuna."""
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    study = storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "empty")
    assert storage.get_all_trials(study) == []
    with pytest.raises(KeyError):
        storage.get_all_trials(study + 1)


@pytest.mark.parametrize("fault", ["left out", "another name"])
def test_tables_of_another_version_are_read_by_optuna(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """If rows do not mean what they meant, or a table lacks a column, Optuna reads the trials, and a line says so."""
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    storage = filled(url)
    if fault == "left out":
        monkeypatch.setattr(reading, "_fill_parameters", lambda made, rows: None)
    else:
        monkeypatch.delattr(reading.models, "TrialIntermediateValueModel")
    assert facts(storage.get_all_trials(1)) == facts(read_by_optuna(url, 1))
    assert "is read slowly" in caplog.text


def test_reading_keeps_no_writer_waiting(tmp_path: Path) -> None:
    """While one process is in the middle of reading a study, another writes to it at once."""
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    storage = filled(url)
    with storage.engine.connect().execution_options(**{reading.READS: True}) as connection:
        count = "SELECT COUNT(*) FROM trials"
        before = connection.exec_driver_sql(count).scalar_one()
        writer = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 0.1}})
        optuna.load_study(study_name="one", storage=writer).add_trial(trial(TrialState.FAIL))
        assert connection.exec_driver_sql(count).scalar_one() == before
    assert len(storage.get_all_trials(1)) == 9


def test_a_search_sees_what_others_changed_meanwhile(tmp_path: Path) -> None:
    """Between two searches others may note something, queue a trial, or end one: the next search knows all of it."""
    bench = Bench(tmp_path)
    bench.run(train, 3)
    left = bench.study.ask()
    assert left is not None
    others = optuna.load_study(study_name=bench.study.name, storage=f"sqlite:///{tmp_path / 'studies.db'}")
    ended = others.trials[left.number]
    others._storage.set_trial_user_attr(ended._trial_id, "seen", "by the dashboard")
    others.tell(left.number, 0.875)
    others.set_user_attr("dashboard:note", "looks good")
    others.enqueue_trial({"rate": 0.125})
    later = open_study(open_storage(bench.url), bench.study.name)
    later.own(tmp_path / "trials.jsonl")
    assert later.optuna.user_attrs["dashboard:note"] == "looks good"
    assert later.optuna.trials[left.number].user_attrs["seen"] == "by the dashboard"
    assert [record.state for record in later.records()] == ["complete", "complete", "complete", "failed"]
    assert later.optuna.trials[left.number].value == 0.875
    asked = later.ask()
    assert asked is not None
    assert asked.values == {"rate": 0.125}


@pytest.mark.parametrize("damage", ["cut", "other", "missing", "lies"])
def test_a_search_never_believes_the_file_of_ended_trials(tmp_path: Path, damage: str) -> None:
    """A search reads the database, whatever the file says, and writes the file anew from it."""
    bench = Bench(tmp_path)
    bench.run(train, 4)
    told = bench.study.records()
    file = tmp_path / "trials.jsonl"
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-20])
    elif damage == "missing":
        file.unlink()
    else:
        identity = "another" if damage == "other" else bench.study.identity
        RecordFile(file, identity).rewrite([TrialRecord(n, "failed", 1.0, {}) for n in range(9)], [])
    later = open_study(open_storage(bench.url), bench.study.name)
    later.own(file)
    kept = RecordFile(file, later.identity).read()
    assert kept is not None
    assert list(kept[0].values()) == later.records()
    assert [(record.number, record.value) for record in later.records()] == [(one.number, one.value) for one in told]
