"""Local stores whose making was cut short, and readers, which make none."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow.store.tracking.sqlalchemy_store as mlflow_store
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient

from apertune.cli import cli
from apertune.errors import UserError
from apertune.search.tracking import local_store
from apertune.search.tracking.local_store import creation_lock, is_half_made, make_local_store

STORE = Path("mlflow/mlflow.db")
URI = f"sqlite:///{STORE}"


def nothing_in_it(path: Path) -> None:
    path.write_bytes(b"")


def first_tables(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE runs (run_uuid TEXT)")
    connection.close()


def before_the_first_experiment(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM experiments")
        connection.execute("UPDATE alembic_version SET version_num = 'c48cb773bb87'")
    connection.close()


def between_two_names(path: Path) -> None:
    before_the_first_experiment(path)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE experiments")
        connection.execute("CREATE TABLE _alembic_tmp_experiments (experiment_id INTEGER PRIMARY KEY)")
    connection.close()


@pytest.fixture
def make(empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes a store as a search does; where MLflow would take many seconds, it copies one."""

    class Copied:
        def __init__(self, uri: str, artifacts: str) -> None:
            shutil.copy(empty_store, uri.removeprefix("sqlite:///"))

        def _dispose_engine(self) -> None: ...

    def make(uri: str) -> None:
        with monkeypatch.context() as copying, creation_lock(uri):
            copying.setattr(mlflow_store, "SqlAlchemyStore", Copied)
            make_local_store(uri)

    monkeypatch.setattr(local_store, "SETTLED_S", 0.1)
    return make


@pytest.mark.parametrize(
    "cut_short",
    [nothing_in_it, first_tables, before_the_first_experiment, between_two_names],
    ids=lambda made: made.__name__,
)
def test_a_half_made_store_is_made_anew(
    empty_store: Path, make: Callable[[str], None], cut_short: Callable[[Path], None]
) -> None:
    """A store whose making was killed is recognised, kept aside and made anew, and MLflow opens it."""
    STORE.parent.mkdir()
    if cut_short in (before_the_first_experiment, between_two_names):
        shutil.copy(empty_store, STORE)
    cut_short(STORE)
    assert is_half_made(STORE.absolute())
    make(URI)
    assert not is_half_made(STORE.absolute())
    client = MlflowClient(f"sqlite:///{STORE.absolute()}")
    client.create_run(client.create_experiment("later"))
    assert STORE.with_name("mlflow.db.half-made").exists()


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE studies (study_id INTEGER)")
    connection.close()


def damaged(path: Path) -> None:
    path.write_bytes(b"no database " * 100)


def with_results(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'c48cb773bb87'")
    connection.close()


@pytest.mark.parametrize("other", [foreign, damaged, with_results], ids=lambda other: other.__name__)
def test_what_is_not_half_made_is_left_alone(
    empty_store: Path, make: Callable[[str], None], other: Callable[[Path], None]
) -> None:
    """Somebody else's database, a damaged file and an older store with results are never replaced."""
    STORE.parent.mkdir()
    if other is with_results:
        shutil.copy(empty_store, STORE)
    other(STORE)
    before = STORE.read_bytes()
    make(URI)
    assert STORE.read_bytes() == before


def test_a_store_that_is_being_made_is_waited_for(
    empty_store: Path, make: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that another program is making is not replaced under it."""
    monkeypatch.setattr(local_store, "SETTLED_S", 30.0)
    STORE.parent.mkdir()
    first_tables(STORE)
    made = STORE.with_name("made")
    shutil.copy(empty_store, made)
    monkeypatch.setattr(local_store.time, "sleep", lambda seconds: made.replace(STORE) if made.exists() else None)
    make(URI)
    assert not STORE.with_name("mlflow.db.half-made").exists()
    assert STORE.read_bytes() == empty_store.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        "rollback digits",
        "predict digits@champion x.png",
        "predict runs:/nope/model x.png",
        "export digits@champion",
        "rerun nope digits",
        "compare digits",
        "report digits-convnet",
        "studies",
        "status digits-convnet",
    ],
)
@pytest.mark.parametrize("half", [False, True], ids=["no store", "half a store"])
def test_commands_that_read_make_no_store(words: str, half: bool) -> None:
    """They say in one line that nothing is there yet, and neither make a store nor complete one."""
    Path("x.png").write_bytes(b"")
    if half:
        STORE.parent.mkdir()
        first_tables(STORE)
    before = STORE.read_bytes() if half else None
    done = CliRunner().invoke(cli, words.split())
    assert done.exception is None or isinstance(done.exception, UserError | SystemExit), done.exception
    assert STORE.exists() == half
    assert before is None or STORE.read_bytes() == before


def tables(path: Path) -> int:
    """Returns the number of tables in a database that another process is making; 0 while it cannot be read."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as c:
        return int(c.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0])
    return 0


@pytest.mark.slow
@pytest.mark.parametrize("made", [1, 4, 12, 25])
def test_a_store_whose_making_is_killed_is_made_anew(made: int) -> None:
    """Whenever MLflow is killed at making a store, the next search opens it."""
    STORE.parent.mkdir()
    making = f"from mlflow import MlflowClient; MlflowClient('sqlite:///{STORE.absolute()}').search_experiments()"
    with subprocess.Popen([sys.executable, "-c", making], stderr=subprocess.DEVNULL) as process:
        while tables(STORE) < made:
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
    assert is_half_made(STORE.absolute())
    with creation_lock(URI):
        make_local_store(URI)
    assert MlflowClient(f"sqlite:///{STORE.absolute()}").search_experiments()
