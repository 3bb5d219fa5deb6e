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

LIST = "did you mean 'pets'? There are: first (of digits), second (of digits), third (of pets)"


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
        (("pots",), "no study or data set is called 'pots' in {root}; " + LIST),
        (("pots", "--study", "nope"), "no study or data set is called 'pots' in {root}; " + LIST),
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
    assert capsys.readouterr().err == f"Error: {line.format(root=Path('mlflow').resolve())}\n"


@pytest.mark.parametrize(
    "words", [("search", "digits", "--workers", "1"), ("studies",), ("status", "s"), ("compare", "digits")]
)
def test_a_file_in_the_place_of_the_folder_gets_one_line(words: tuple[str, ...]) -> None:
    """A search says in one line that a file called `mlflow` is in its folder's place; no command fails worse."""
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
    """A folder or file that cannot be used is the user's to change (2), a full disk a failure (1), and no traceback."""

    def refuse(path: Path, number: int) -> None:
        def fail(**given: object) -> None:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(cli.cli, "main", fail)

    folder = Path("mlflow").resolve()
    refuse(folder / "logs" / "1", number)
    assert ended(monkeypatch) == 2
    reason = os.strerror(number)
    assert capsys.readouterr().err == f"Error: {folder} cannot be written: {reason}; work in another folder\n"
    refuse(Path("/elsewhere/page.html"), number)
    assert ended(monkeypatch) == 2
    line = f"Error: /elsewhere/page.html cannot be used: {reason}; name another file or folder\n"
    assert capsys.readouterr().err == line
    refuse(folder / "studies.db", errno.ENOSPC)
    assert ended(monkeypatch) == 1
    assert capsys.readouterr().err == f"Error: {folder}/studies.db cannot be used: No space left on device\n"


def test_a_part_that_is_missing_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of Apertune's own, or of a library, that is not there is no fault of the user's, so Python tells all."""

    def fail(**given: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", str(Path(cli.__file__).with_name("lost.json")))

    monkeypatch.setattr(cli.cli, "main", fail)
    with pytest.raises(FileNotFoundError):
        cli.main()


@pytest.mark.parametrize("words", [("studies",), ("search", "digits"), ("datasets", "describe", "digits")])
def test_a_working_folder_that_is_gone_gets_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A folder that was deleted beneath its terminal is named as what is wrong; help still answers."""
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    command = ["sh", "-c", script, "sh", str(gone), sys.executable, "-m", "apertune", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    # A crowded machine may say before how far the decoding is.
    *_, line = done.stderr.splitlines()
    assert line == "Error: the working folder is not there any more; change to another folder"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("datasets", "describe", "digits", "--html", "folder"), "folder"),
        (("datasets", "describe", "digits", "--html", "file/page.html"), "file"),
        (("datasets", "audit", "digits", "--html", "folder"), "folder"),
        (("datasets", "fetch", "fer2013", "--to", "file"), "file"),
        (("datasets", "describe", "digits", "--html", f"{'x' * 300}.html"), "x" * 300),
    ],
)
def test_an_output_that_cannot_be_written_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], named: str
) -> None:
    """A folder in a file's place, a file in a folder's, a name too long: one line that names it, and status 2."""
    Path("folder").mkdir()
    Path("file").touch()
    assert ended(monkeypatch, *words) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: {named}")
    assert line.endswith("; name another file or folder")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("search", "digits"), "KERAS_BACKEND must be tensorflow, jax or torch, but got 'nonsense'"),
        (("spaces", "show", "convnet"), "KERAS_BACKEND must be tensorflow, jax or torch, but got 'nonsense'"),
        (("promote", "digits"), "KERAS_BACKEND must be tensorflow, jax or torch, but got 'nonsense'"),
    ],
)
def test_a_backend_that_is_none_gets_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    """A backend that Keras lacks is refused before data are read, not by a worker that dies."""
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    assert ended(monkeypatch, *words) == 2
    assert capsys.readouterr().err == f"Error: {line}\n"


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("postgres://me:s3cret@host/x", "but got postgres; write postgresql instead of postgres"),
        ("postgresql+nope://me:s3cret@host/x", "but got postgresql+nope"),
        ("mysql+asyncmy://me:s3cret@host/x", "needs the driver asyncmy, which is not installed"),
    ],
)
def test_an_unknown_kind_of_storage_is_refused_before_data_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, line: str
) -> None:
    """A scheme that no driver has is noticed before minutes of loading."""
    assert ended(monkeypatch, "search", "fer2013", "--data", "not-there", "--storage", url) == 2
    shown = capsys.readouterr().err
    assert line in shown
    assert "s3cret" not in shown


@pytest.mark.parametrize("words", [("--space", "__main__:build"), ("--objective", "__main__:score")])
def test_the_program_itself_is_no_module(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, str]
) -> None:
    """Workers would look into their own program, so a name in the user's is refused, with the way out."""
    assert ended(monkeypatch, "search", "digits", *words) == 2
    name = words[1].rpartition(":")[2]
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: {words[0]} must name a module that other processes can import, but __main__ is")
    assert line.endswith(f"put {name} into a file such as my_space.py, and name it my_space:{name}")


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
