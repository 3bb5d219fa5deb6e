"""One search a study in a database file, from whichever working folder and by whatever name it is opened."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from pretend_study import definition

from apertune.cli.studies import status, stop
from apertune.errors import SettingError, StudyError
from apertune.search.settings import Home, make_home
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.ownership import find_owner, owned
from apertune.search.studies.storage.storage import check_storage, open_storage

OWNER = """
import sys
from pathlib import Path
from apertune.search.settings import make_home
from apertune.search.studies.storage.ownership import owned

root, storage, name = sys.argv[1:]
with owned(make_home({}, root=Path(root), storage=storage), name):
    print("owned", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_owner(root: Path, storage: str, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that owns the study until its input closes or it is killed."""
    command = [sys.executable, "-c", OWNER, str(root), storage, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "owned\n"
        yield process
        process.stdin.close()


def home_of(tmp_path: Path, folder: str, storage: str) -> Home:
    return make_home({}, root=tmp_path / folder / "mlflow", storage=storage)


def test_a_database_has_one_owner_a_study_whatever_the_folder(tmp_path: Path) -> None:
    """A second folder is refused and told of the first; when the first is killed, the second owns it at once."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    second = home_of(tmp_path, "b", storage)
    with another_owner(tmp_path / "a" / "mlflow", storage, "s") as first:
        found = find_owner(second, "s")
        assert found is not None
        assert found.process_id == first.pid
        message = f"^study 's' is being searched by process {first.pid} on [^\n]+$"
        with pytest.raises(StudyError, match=message), owned(second, "s"):
            pass
        first.kill()
        first.wait()
        assert find_owner(second, "s") is None
        with owned(second, "s"):
            found = find_owner(home_of(tmp_path, "a", storage), "s")
            assert found is not None
            assert found.process_id == os.getpid()


def spellings(tmp_path: Path) -> dict[str, str]:
    """Addresses of the database `real/studies.db`, with the links that some of them need."""
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "linked").symlink_to(real)
    (tmp_path / "linked.db").symlink_to(real / "studies.db")
    return {
        "absolute": f"sqlite:///{real}/studies.db",
        "relative": "sqlite:///../real/studies.db",
        "with dots": f"sqlite:///{real}/../real//./studies.db",
        "linked folder": f"sqlite:///{tmp_path}/linked/studies.db",
        "linked file": f"sqlite:///{tmp_path}/linked.db",
        "with a driver": f"sqlite+pysqlite:///{real}/studies.db?timeout=5",
        "as a URI": f"sqlite:///file:{real}/studies.db?mode=rwc&uri=true",
        "as a relative URI": "sqlite:///file:../re%61l/studies.db?uri=true",
    }


@pytest.mark.parametrize(
    "spelling",
    ["relative", "with dots", "linked folder", "linked file", "with a driver", "as a URI", "as a relative URI"],
)
def test_the_file_counts_and_not_its_name(tmp_path: Path, spelling: str) -> None:
    """Whichever name a database file is opened by, its study has the same one owner."""
    named = spellings(tmp_path)
    first, second = home_of(tmp_path, "a", named["absolute"]), home_of(tmp_path, "b", named[spelling])
    with owned(first, "s"):
        assert find_owner(second, "s") is not None
        with pytest.raises(StudyError, match="is being searched by process"), owned(second, "s"):
            pass
    with owned(second, "s"):
        assert find_owner(first, "s") is not None


def test_other_studies_are_independent(tmp_path: Path) -> None:
    """Two studies of one database, and two of one name in two databases, are owned at the same time."""
    shared, other = f"sqlite:///{tmp_path / 'shared.db'}", f"sqlite:///{tmp_path / 'other.db'}"
    first, second, third = (home_of(tmp_path, *given) for given in (("a", shared), ("b", shared), ("c", other)))
    with owned(first, "s"), owned(second, "t"), owned(third, "s"):
        assert find_owner(first, "t") is not None
        assert find_owner(third, "t") is None


@pytest.mark.parametrize(
    ("storage", "problem"),
    [
        ("sqlite://", "names a database in memory"),
        ("sqlite:///:memory:", "names a database in memory"),
        ("sqlite:///file::memory:?uri=true", "names a database in memory"),
        ("sqlite:///file:shared?mode=memory&cache=shared&uri=true", "names a database in memory"),
        ("sqlite://host/studies.db", "must be a database URL"),
        ("sqlite+unknown:///studies.db", "must be a database URL"),
        ("no address at all", "must be a database URL"),
    ],
)
def test_what_no_other_process_could_read_is_refused(tmp_path: Path, storage: str, problem: str) -> None:
    """A search is not owned, and its storage not opened, where its trials would be gone with it."""
    home = home_of(tmp_path, "a", storage)
    with pytest.raises(SettingError, match=problem), owned(home, "s"):
        pass
    with pytest.raises(SettingError, match=problem):
        open_storage(storage)
    with pytest.raises(SettingError, match=problem):
        check_storage(home)
    assert not list(Path.cwd().iterdir())


def test_a_uri_is_opened_where_it_points(tmp_path: Path) -> None:
    """A `file:` URI makes its database and the lock beside it, and no folder of the URI's own name."""
    open_storage(f"sqlite:///file:{tmp_path}/studies.db?mode=rwc&uri=true").engine.dispose()
    assert {path.name for path in tmp_path.glob("studies.db*")} >= {"studies.db", "studies.db.lock"}
    assert not list(Path.cwd().iterdir())


def test_a_database_without_a_known_lock_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing keeps a second folder off a study, one line says so, without the password; a file needs none."""
    with caplog.at_level(logging.WARNING), owned(home_of(tmp_path, "a", f"sqlite:///{tmp_path}/studies.db"), "s"):
        assert caplog.messages == []
    home = home_of(tmp_path, "b", "mysql+pymysql://me:5ecret@db/studies")
    with caplog.at_level(logging.WARNING), owned(home, "s"):
        assert caplog.messages == [
            "nothing keeps a search in another folder or on another machine off study 's', since Apertune knows no "
            "lock for mysql: start it once at a time, or use SQLite or PostgreSQL"
        ]


def test_the_commands_name_an_owner_in_another_folder(tmp_path: Path) -> None:
    """`status` names who searches a shared file's study elsewhere, and `stop` says that it must be stopped there."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    create_study(open_storage(storage), "s", definition())
    with another_owner(tmp_path / "a" / "mlflow", storage, "s") as first:
        shown = CliRunner().invoke(status, ["s", "--storage", storage])
        assert f"Study s: searched by process {first.pid} on " in shown.output
        stopped = CliRunner().invoke(stop, ["s", "--storage", storage])
    assert stopped.exit_code != 0
    assert f"is searched from another folder, by process {first.pid} on " in f"{stopped.output}{stopped.exception}"
