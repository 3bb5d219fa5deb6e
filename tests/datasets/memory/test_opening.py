"""Scratch folders within the cache leave nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from apertune.datasets.memory.opening import scratch_folder
from apertune.errors import ApertuneError

KILLED = """
import os, signal
from apertune.datasets.memory.opening import scratch_folder
with scratch_folder() as folder:
    (folder / "pixels").write_bytes(b"1")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_left_by_a_killed_process(own_cache: Path) -> None:
    """A folder that a killed process left is removed by the next one; one in use is not."""
    subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert len(list((own_cache / "reading").iterdir())) == 1
    with scratch_folder() as first:
        (first / "pixels").write_bytes(b"1")
        with scratch_folder() as second:
            assert {first, second} == set((own_cache / "reading").iterdir())
        assert (first / "pixels").exists()
    assert list((own_cache / "reading").iterdir()) == []


def test_full_disk(own_cache: Path) -> None:
    """A folder that cannot be filled is named in one line, with the way to another."""
    words = r"cannot fill the cache in .*reading: .*No space left.*APERTUNE_CACHE"
    with pytest.raises(ApertuneError, match=words), scratch_folder():
        raise OSError(28, "No space left on device")
    assert list((own_cache / "reading").iterdir()) == []
