"""The studies' database is deleted or overwritten while a search owns a study in it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from pretend_faults import stored
from pretend_study import Bench, definition

from apertune.errors import ApertuneError
from apertune.search.messages import TrialResult
from apertune.search.studies.opening import create_study, study_names
from apertune.search.studies.storage.storage import open_storage

FILE = "studies.db"


def tell_one(bench: Bench) -> None:
    asked = bench.study.ask()
    assert asked is not None
    bench.study.report(asked.number, 0.25, 1)
    bench.study.tell(TrialResult(asked.number, "complete", value=asked.number / 10, metrics={"accuracy": 0.5}))


def deleted(folder: Path) -> None:
    (folder / FILE).unlink()


def deleted_with_its_journal(folder: Path) -> None:
    for file in folder.glob(f"{FILE}*"):
        if file.is_file():
            file.unlink()


def restored_by_renaming(folder: Path) -> None:
    shutil.copy(folder / "backup.db", folder / "copy.db")
    (folder / "copy.db").replace(folder / FILE)


def restored_in_place(folder: Path) -> None:
    shutil.copyfile(folder / "backup.db", folder / FILE)


def another_in_place(folder: Path) -> None:
    shutil.copyfile(folder / "another.db", folder / FILE)


def garbage_in_place(folder: Path) -> None:
    (folder / FILE).write_bytes(b"nothing of a database " * 5000)


def emptied(folder: Path) -> None:
    (folder / FILE).write_bytes(b"")


def study_deleted(folder: Path) -> None:
    optuna.delete_study(study_name="s", storage=f"sqlite:///{folder / FILE}")


FAULTS = [
    deleted,
    deleted_with_its_journal,
    restored_by_renaming,
    restored_in_place,
    another_in_place,
    garbage_in_place,
    emptied,
    study_deleted,
]
IN_PLACE = (restored_in_place, another_in_place, garbage_in_place, emptied)


def backed_up(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as connection, sqlite3.connect(target) as copy:
        connection.backup(copy)
    connection.close()
    copy.close()


def of_today(bench: Bench) -> list[tuple[object, ...]]:
    return [(record.number, record.state, record.value, record.params) for record in bench.study.records()]


@pytest.mark.parametrize(
    ("fault", "checkpointed"),
    [(fault, False) for fault in FAULTS] + [(fault, True) for fault in FAULTS if fault in IN_PLACE],
    ids=lambda value: value.__name__ if callable(value) else "no journal" if value else "journal",
)
def test_a_lost_database_is_put_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: Callable[[Path], None], checkpointed: bool
) -> None:
    """Whatever happens to the file, each trial told before and after is in it once, as it was told, and it is said."""
    bench = Bench(tmp_path)
    create_study(open_storage(f"sqlite:///{tmp_path / 'another.db'}"), "other", definition())
    tell_one(bench)
    backed_up(tmp_path / FILE, tmp_path / "backup.db")
    running = bench.study.ask()
    assert running is not None
    tell_one(bench)
    if checkpointed:
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
    with caplog.at_level(logging.WARNING):
        fault(tmp_path)
        bench.study.tell(TrialResult(running.number, "pruned", "weak"))
        tell_one(bench)
    told = of_today(bench)
    assert [(number, state) for number, state, *_ in told] == [
        (0, "complete"), (1, "pruned"), (2, "complete"), (3, "complete"),
    ]  # fmt: skip
    bench.study.make_sure()
    read = stored(tmp_path)
    assert [(record.number, record.state, record.value, record.params) for record in read.records()] == told
    assert read.identity == bench.study.identity
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert list(connection.execute("PRAGMA integrity_check")) == [("ok",)]
    connection.close()
    if fault not in IN_PLACE:
        assert "study s is put back" in caplog.text


def test_other_studies_of_a_deleted_database_come_back(tmp_path: Path) -> None:
    """The file comes back with all that was in it, also in another study; its owner goes on in it."""
    bench, other = Bench(tmp_path), Bench(tmp_path, name="other")
    tell_one(bench)
    tell_one(other)
    deleted_with_its_journal(tmp_path)
    tell_one(bench)
    assert study_names(open_storage(bench.url)) == ["other", "s"]
    for _ in range(2):
        tell_one(other)
        tell_one(bench)
    for mine in (bench, other):
        mine.study.make_sure()
        mine.reopen()
    assert [record.state for record in bench.study.records()] == ["complete"] * 4
    assert [record.state for record in other.study.records()] == ["complete"] * 3


def test_a_database_deleted_after_the_last_trial_comes_back(tmp_path: Path) -> None:
    """The end of a search notices it, too."""
    bench = Bench(tmp_path)
    tell_one(bench)
    deleted_with_its_journal(tmp_path)
    bench.study.make_sure()
    assert [record.state for record in stored(tmp_path).records()] == ["complete"]


def test_another_study_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    """If the new file has somebody else's study of that name, the search ends with one line, and changes nothing."""
    bench = Bench(tmp_path)
    tell_one(bench)
    (tmp_path / "elsewhere").mkdir()
    theirs = Bench(tmp_path / "elsewhere")
    tell_one(theirs)
    backed_up(tmp_path / "elsewhere" / FILE, tmp_path / "theirs.db")
    deleted_with_its_journal(tmp_path)
    (tmp_path / "theirs.db").replace(tmp_path / FILE)
    with pytest.raises(ApertuneError, match="by one in which another study is called s"):
        tell_one(bench)
    assert stored(tmp_path).identity == theirs.study.identity
