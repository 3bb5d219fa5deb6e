"""The lines that commands print where there is nothing to read, or nowhere to write."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pretend_study import definition

from apertune import cli
from apertune.search.settings import make_home
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit status of a command in this process."""
    monkeypatch.setattr(sys, "argv", ["apertune", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_run_that_is_not_known_creates_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In a folder without a store, `rerun` says where runs are found, and makes no store to look in."""
    assert ended(monkeypatch, "rerun", "nope", "digits") == 2
    line = "Error: MLflow has no run 'nope'; apertune compare DATASET shows the runs of trials\n"
    assert capfd.readouterr() == ("", line)
    assert not list(Path.cwd().iterdir())


def test_a_run_that_is_not_in_the_store_is_the_users_mistake(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], empty_store: Path
) -> None:
    """A wrong run id ends with status 2 and one line, before any data is read."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    assert ended(monkeypatch, "rerun", "nope", "digits", "--data", "not-there") == 2
    assert capfd.readouterr().err.splitlines()[-1].startswith("Error: MLflow has no run 'nope'; apertune compare")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("digits", "--study", "nope"), "no study of data set 'digits' is called 'nope'; there are: first, second"),
        (("digits", "--study", "third"), "study 'third' is of data set 'pets', not of 'digits'"),
        (("pots",), "no trials of data set 'pots'; there are trials of: digits, pets"),
        (("pots", "--study", "nope"), "no trials of data set 'pots'; there are trials of: digits, pets"),
    ],
)
def test_compare_lists_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    """A study that is not there gets a list of studies, a data set one of data sets."""
    storage = open_storage(make_home({}).storage)
    for name, dataset in (("first", "digits"), ("second", "digits"), ("third", "pets")):
        create_study(storage, name, definition(dataset=dataset))
    assert ended(monkeypatch, "compare", *words) == 2
    assert capsys.readouterr().err == f"Error: {line}\n"


@pytest.mark.parametrize(
    "words", [("search", "digits", "--workers", "1"), ("studies",), ("status", "s"), ("compare", "digits")]
)
def test_a_file_in_the_place_of_the_folder_gets_one_line(words: tuple[str, ...]) -> None:
    """Where a file is called `mlflow`, a search says in one line that its folder cannot be made; none fails worse."""
    Path("mlflow").touch()
    done = subprocess.run([sys.executable, "-m", "apertune", *words], capture_output=True, text=True, check=False)
    said = [line for line in f"{done.stdout}{done.stderr}".splitlines() if not line.startswith("decoding")]
    assert done.returncode == 2 or (words == ("studies",) and done.returncode == 0), said
    assert len(said) == 1, said
    if words[0] == "search":
        assert re.match(f"Error: {Path('mlflow').resolve()} cannot be written: .*; work in another folder", said[0])


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    """A read-only folder is the user's to change, and no traceback; files elsewhere, and full disks, are not meant."""

    def refuse(path: Path, number: int) -> None:
        def fail(**given: object) -> None:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(cli.cli, "main", fail)

    folder = Path("mlflow").resolve()
    refuse(folder / "logs" / "1", number)
    assert ended(monkeypatch) == 2
    reason = os.strerror(number)
    assert capsys.readouterr().err == f"Error: {folder} cannot be written: {reason}; work in another folder\n"
    for path, other in ((Path("/elsewhere"), number), (folder / "studies.db", errno.ENOSPC)):
        refuse(path, other)
        with pytest.raises(OSError, match=os.strerror(other)):
            cli.main()


@pytest.mark.parametrize(("given", "status"), [((), 130), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129)])
def test_what_a_signal_interrupts_has_its_status(
    monkeypatch: pytest.MonkeyPatch, given: tuple[int, ...], status: int
) -> None:
    """A command that is interrupted as it waits exits with 128 + the signal that did it; Ctrl-C unless told."""

    @cli.cli.command("interrupted")
    def interrupted() -> None:
        raise KeyboardInterrupt(*given)

    monkeypatch.setitem(cli.COMMANDS, "interrupted", ("", "", ""))
    monkeypatch.setattr(type(cli.cli), "get_command", lambda group, context, name: interrupted)
    assert ended(monkeypatch, "interrupted") == status
