"""The study as its owner sees it, against the database it is written to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, Trial
from pretend_study import CONDITIONAL, Bench, train

from apertune.search.messages import TrialResult
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import SAMPLERS, make_sampler
from apertune.search.strategies.translation import suggest, to_optuna
from apertune.search.studies.asking import Asking
from apertune.search.studies.opening import open_study
from apertune.search.studies.storage.owned_storage import OwnedStorage
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.study import Study
from apertune.search.studies.trial_records import RecordFile, TrialRecord
from apertune.spaces.search_space.parameters import Values


def as_stored(bench: Bench) -> Study:
    """The study read by somebody else."""
    return open_study(open_storage(bench.url), bench.study.name)


def facts(study: Study) -> list[tuple[object, ...]]:
    return [
        (
            trial.number,
            trial.state,
            trial.values,
            trial.params,
            trial.distributions,
            trial.intermediate_values,
            trial.user_attrs,
            trial.system_attrs,
        )
        for trial in study.optuna.trials
    ]


@pytest.mark.parametrize("name", ["tpe", "nsga2", "qmc", "grid"])
def test_the_database_holds_what_the_owner_sees(tmp_path: Path, name: str) -> None:
    """Everything written through the owner's view, samplers' own notes too, is in the database alike."""
    assert name in SAMPLERS
    bench = Bench(tmp_path, space=CONDITIONAL)
    bench.study.use(make_sampler(name, 0), make_pruner("hyperband", 4))
    bench.run(train, 5)
    bench.study.ask()
    assert facts(as_stored(bench)) == facts(bench.study)
    assert as_stored(bench).optuna.user_attrs == bench.study.optuna.user_attrs


def test_a_refused_write_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the database refuses a write for a while, the trial is told once it takes it, and once only."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    bench = Bench(tmp_path)
    asked = bench.study.ask()
    assert asked is not None
    database = bench.study._storage._database  # type: ignore[attr-defined]
    write, refused = database.set_trial_state_values, []

    def refuse_at_first(*given: object) -> object:
        if len(refused) < 2:
            refused.append(given)
            if len(refused) == 2:
                write(*given)
            raise OSError("the database is locked")
        return write(*given)

    monkeypatch.setattr(database, "set_trial_state_values", refuse_at_first)
    bench.study.tell(TrialResult(asked.number, "complete", value=0.25))
    assert [record.state for record in as_stored(bench).records()] == ["complete"]
    assert [record.value for record in bench.study.records()] == [0.25]


def test_the_file_of_ended_trials_tells_the_same(tmp_path: Path) -> None:
    """Records read by way of the file equal those read from the database, running trials among them."""
    bench = Bench(tmp_path)
    bench.run(train, 4)
    bench.study.ask()
    reader = as_stored(bench)
    by_file, by_database = reader.records_in(tmp_path / "trials.jsonl"), reader.records()
    assert [replace(record, began=0.0) for record in by_file] == [replace(record, began=0.0) for record in by_database]
    assert [record.began for record in by_file] == pytest.approx([record.began for record in by_database], abs=1.0)
    assert len(by_file) == 5


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "short", "behind"])
def test_a_file_that_is_not_whole_is_not_believed(tmp_path: Path, damage: str) -> None:
    """A file that is missing, cut off, of another study, or lacks a trial or the latest, gives way to the database."""
    bench = Bench(tmp_path)
    bench.run(train, 4)
    file = tmp_path / "trials.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_text("".join(lines)[:-20])
    elif damage == "other":
        RecordFile(file, "another").rewrite([TrialRecord(0, "complete", 1.0, {})], [])
    elif damage == "short":
        file.write_text("".join(lines[:2] + lines[3:]))
    else:
        file.write_text("".join(lines[:-1]))
    reader = as_stored(bench)
    assert reader.records_in(file) == reader.records()


def test_a_trial_told_to_the_file_alone_still_runs(tmp_path: Path) -> None:
    """A kill between the file and the database leaves a trial running, whatever the file says."""
    bench = Bench(tmp_path)
    asked = bench.study.ask()
    assert asked is not None
    RecordFile(tmp_path / "trials.jsonl", bench.study.identity).add(TrialRecord(0, "complete", 0.9, asked.values))
    assert [record.state for record in as_stored(bench).records_in(tmp_path / "trials.jsonl")] == ["running"]


def test_a_trial_killed_while_its_values_were_drawn_gets_the_rest(tmp_path: Path) -> None:
    """The enqueued first trial, its owner killed between two of its values, goes on with the values enqueued."""
    bench = Bench(tmp_path, space=CONDITIONAL)
    trial = as_stored(bench).optuna.ask()
    trial.suggest_categorical("optimizer", ("sgd", "adam"))
    bench.reopen()
    (asked,) = bench.study.orphans()
    assert asked.values == CONDITIONAL.defaults()


@pytest.mark.parametrize("asked_again_by", ["us", "the database"])
def test_a_trial_whose_creation_was_answered_late_is_one_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_again_by: str
) -> None:
    """A row that was written although its answer was lost is taken over, and a copy of it set aside, for good."""
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    bench = Bench(tmp_path)
    bench.run(train, 2)
    database = bench.study._storage._database  # type: ignore[attr-defined]
    create = database.create_new_trial
    lost: list[int] = []

    def answered_late(study: int, template_trial: FrozenTrial | None = None) -> int:
        created: int = create(study, template_trial=template_trial)
        if not lost:
            lost.append(created)
            if asked_again_by == "us":
                raise OSError("the connection was cut")
            return int(create(study, template_trial=template_trial))
        return created

    monkeypatch.setattr(database, "create_new_trial", answered_late)
    bench.run(train, 5)
    seen = [(record.number, record.params) for record in bench.study.records()]
    assert len(seen) == 5
    assert bench.states() == ["complete"] * 5
    bench.reopen()
    assert [(record.number, record.params) for record in bench.study.records()] == seen
    assert bench.study.orphans() == []
    assert bench.run(train, 6).finished == 6


def test_a_proposal_that_was_to_be_set_aside_is_not_tried_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor killed while it sets a repeat aside, marked or not, leaves none to be trained."""

    class KilledError(BaseException):
        pass

    def killed(*given: object, **named: object) -> None:
        raise KilledError

    for step in ("set_trial_user_attr", "set_trial_state_values"):
        (tmp_path / step).mkdir()
        bench = Bench(tmp_path / step, space=CONDITIONAL)
        bench.run(train, 2)
        with monkeypatch.context() as patch:
            patch.setattr(Asking, "_draw", repeating(bench))
            patch.setattr(OwnedStorage, step, killed)
            with pytest.raises(KilledError):
                bench.study.ask()
        bench.reopen()
        assert bench.study.orphans() == []
        assert bench.run(train, 8).finished == 8
        configurations = [tuple(sorted(record.params.items())) for record in bench.study.records()]
        assert len(set(configurations)) == len(configurations) == 8


def repeating(bench: Bench) -> Callable[[Asking], tuple[Trial, Values]]:
    """Draws what the study tried first."""
    first = bench.study.records()[0].params

    def draw(asking: Asking) -> tuple[Trial, Values]:
        bench.study.optuna.enqueue_trial(to_optuna(CONDITIONAL, first))
        trial = bench.study.optuna.ask()
        return trial, suggest(trial, CONDITIONAL)

    return draw


def test_a_warm_start_outlives_its_supervisor(tmp_path: Path) -> None:
    """A queued configuration is in the database before it counts as queued."""
    bench = Bench(tmp_path)
    assert bench.study.enqueue([{"rate": 0.11}, {"rate": 0.22}], "other") == 2
    bench.reopen()
    bench.run(train, 3)
    assert [record.params["rate"] for record in bench.study.records()] == [0.5, 0.11, 0.22]
