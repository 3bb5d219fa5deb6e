"""Temporary folders of processes that were killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from apertune.files.scratch import PREFIX, scratch_folder

KILLED = """
import os, signal, sys
from apertune.files.scratch import scratch_folder
with scratch_folder("promotion") as folder:
    (folder / "model").write_bytes(bytes(1000))
    print(folder, flush=True)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def age(folder: Path) -> None:
    """Makes a folder look as if it had been left two minutes ago."""
    before = time.time() - 120
    os.utime(folder, (before, before))


def test_what_a_killed_process_left_is_swept_by_the_next(own_temporary_folder: Path) -> None:
    """The folder of a killed process goes; that of one at work stays, and so does anybody else's."""
    command = [sys.executable, "-c", KILLED]
    done = subprocess.run([*command, "killed"], stdout=subprocess.PIPE, text=True, check=False)
    left = Path(done.stdout.strip()).parent
    assert left.is_dir()
    other = own_temporary_folder / f"{PREFIX}notes"
    other.mkdir()
    with subprocess.Popen([*command, "works"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as working:
        assert working.stdout is not None
        used = Path(working.stdout.readline().strip())
        for folder in (left, other, used.parent):
            age(folder)
        with scratch_folder("export") as mine:
            assert not list(mine.iterdir())
            assert not left.exists()
            assert (used / "model").exists()
            assert other.exists()
        assert not mine.parent.exists()
        working.communicate()
    assert sorted(own_temporary_folder.iterdir()) == [other]
