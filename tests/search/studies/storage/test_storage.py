"""Databases that may keep studies, the owner of a study, and addresses without their passwords."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import optuna
import psutil
import pytest
from pretend_study import definition

from apertune.errors import SettingError, StudyError
from apertune.search.settings import make_home
from apertune.search.studies.opening import create_study, open_study, study_exists
from apertune.search.studies.storage import file_systems
from apertune.search.studies.storage.ownership import find_owner, owned
from apertune.search.studies.storage.storage import open_storage
from apertune.text import hidden_credentials

SECRET = "5ecret-1234"


def mounted(monkeypatch: pytest.MonkeyPatch, *mounts: tuple[Path | str, str]) -> None:
    table = [SimpleNamespace(mountpoint=str(point), fstype=kind) for point, kind in (("/", "ext4"), *mounts)]
    monkeypatch.setattr(file_systems.psutil, "disk_partitions", lambda **how: table)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "lustre"])
def test_sqlite_on_a_network_file_system_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    """The line names the file, the file system and where it is mounted, and the way out; nothing is created."""
    mounted(monkeypatch, (tmp_path, kind))
    path = tmp_path / "deep/studies.db"
    with pytest.raises(SettingError, match=rf"{path} is on {kind} \({tmp_path}\); name a file on a local disk, or"):
        open_storage(f"sqlite:///{path}")
    assert not path.parent.exists()


def test_the_innermost_mount_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A local disk below a network mount is taken, as is one mounted over it, and a FUSE that reaches no network."""
    local = tmp_path / "local"
    mounted(monkeypatch, (tmp_path, "nfs4"), (local, "xfs"))
    open_storage(f"sqlite:///{local}/studies.db").engine.dispose()
    mounted(monkeypatch, (tmp_path, "nfs4"), (tmp_path, "fuse.fuseblk"))
    open_storage(f"sqlite:///{tmp_path}/studies.db").engine.dispose()


def test_this_machines_own_mounts_can_be_read(tmp_path: Path) -> None:
    """The real mount table has a place for a path that does not exist yet."""
    assert file_systems.network_mount(tmp_path / "not/yet") is None


def test_sqlite_loses_nothing_when_the_power_goes(tmp_path: Path) -> None:
    """Each commit is synchronised with the disk, and the database has a write-ahead log."""
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    with storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
    storage.engine.dispose()


def test_a_transaction_has_the_database_from_its_beginning(tmp_path: Path) -> None:
    """While a transaction that has only read is open a second writer waits, and after it the second may write."""
    file = tmp_path / "studies.db"
    storage = open_storage(f"sqlite:///{file}")
    second = sqlite3.connect(file, timeout=0.0, isolation_level=None)
    with storage.engine.begin() as transaction:
        transaction.exec_driver_sql("SELECT COUNT(*) FROM trials")
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            second.execute("BEGIN IMMEDIATE")
    second.execute("BEGIN IMMEDIATE")
    second.close()
    storage.engine.dispose()


def test_a_study_has_one_owner(tmp_path: Path) -> None:
    """While a study is owned a second owner is refused and told of the first; afterwards nobody owns it."""
    home = make_home({}, root=tmp_path)
    with owned(home, "s"):
        found = find_owner(home, "s")
        assert found is not None
        assert (found.process_id, found.host) == (os.getpid(), socket.gethostname())
        with pytest.raises(StudyError, match=f"is being searched by process {os.getpid()} on "), owned(home, "s"):
            pass
    assert find_owner(home, "s") is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://me:{s}@db:5432/x", "postgresql+psycopg://***@db:5432/x"),
        ("--storage=postgresql://me:a@b/{s}@db/x --json", "--storage=postgresql://***@db/x --json"),
        ("cannot reach 'http://me:{s}@server/' now", "cannot reach 'http://***@server/' now"),
        (
            "postgresql://db/x?user=me&password={s}&sslmode=require",
            "postgresql://db/x?user=me&password=***&sslmode=require",
        ),
        ("sqlite:////home/me/studies.db", "sqlite:////home/me/studies.db"),
        ("see http://server/a and me@mail.example", "see http://server/a and me@mail.example"),
    ],
)
def test_credentials_are_starred(text: str, shown: str) -> None:
    """User and password go from every address in a text, wherever a password may stand, and nothing else does."""
    assert hidden_credentials(text.replace("{s}", SECRET)) == shown


@pytest.mark.parametrize("secret", [SECRET, "s3'cret", 's3 cret"', "s3%27cret"])
def test_the_process_list_shows_no_password(secret: str) -> None:
    """While a command talks to its database, its command line in the process list has stars for the password."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        storage = f"postgresql+psycopg://me:{secret}@127.0.0.1:{silent.getsockname()[1]}/studies?sslpassword={secret}"
        with subprocess.Popen([sys.executable, "-m", "apertune", "studies", "--storage", storage]) as process:
            connection, _ = silent.accept()
            shown = " ".join(psutil.Process(process.pid).cmdline())
            process.kill()
            connection.close()
    assert secret not in shown
    assert "cret" not in shown
    assert "apertune studies --storage 'postgresql+psycopg://***@127.0.0.1" in shown


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    """The error names the server and hides who asked with which password."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(
        SettingError, match=rf"cannot open the storage postgresql\+psycopg://\*\*\*@127.0.0.1:{port}/x"
    ) as error:
        open_storage(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:{port}/x")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("step", ["set_study_user_attr", "enqueue_trial"])
def test_a_study_whose_maker_was_killed_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A kill while a study is made leaves nothing that stands in the way of the next search."""

    def killed(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    with monkeypatch.context() as patch:
        patch.setattr(type(storage) if step == "set_study_user_attr" else optuna.Study, step, killed)
        with pytest.raises(KeyboardInterrupt):
            create_study(storage, "s", definition())
    assert not study_exists(storage, "s")
    create_study(storage, "s", definition())
    assert study_exists(storage, "s")
    study = open_study(storage, "s")
    assert [trial.system_attrs["fixed_params"] for trial in study.optuna.trials] == [{"rate": 0.5}]


def test_somebody_elses_study_is_left_alone(tmp_path: Path) -> None:
    """A study that Optuna's user made exists, and is not taken for one of ours."""
    storage = open_storage(f"sqlite:///{tmp_path / 'studies.db'}")
    optuna.create_study(study_name="theirs", storage=storage).ask()
    assert study_exists(storage, "theirs")
    with pytest.raises(StudyError, match="not made by apertune"):
        open_study(storage, "theirs")
