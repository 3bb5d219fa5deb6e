"""Files are replaced or added to as a whole, or not at all."""

from __future__ import annotations

import errno
import os
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from apertune.files.replacing import append_whole, replacing


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


def test_a_file_is_replaced_in_one_step(folder: Path) -> None:
    """A reader finds the old file until the block ends, and only the new one afterwards."""
    path = folder / "progress.json"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(folder.iterdir()) == [path]


def cut_short(path: Path) -> None:
    with replacing(path, durable=True) as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("old", ["old", None])
def test_a_block_that_raises_changes_nothing(folder: Path, old: str | None) -> None:
    """An error in the block, such as a full disk, keeps the old file and leaves no half-written one."""
    path = folder / "progress.json"
    if old is not None:
        path.write_text(old)
    with pytest.raises(OSError, match="No space"):
        cut_short(path)
    assert [entry.read_text() for entry in folder.iterdir()] == ([] if old is None else [old])


def test_a_durable_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A durable file is synced to the disk before it is renamed; one that need not be durable costs no wait."""
    path, synced = tmp_path / "result.json", list[tuple[bytes, bool]]()
    sync = os.fsync

    def noted(number: int) -> None:
        written = next(file for file in tmp_path.iterdir() if os.path.samestat(file.stat(), os.fstat(number)))
        synced.append((written.read_bytes(), path.exists()))
        sync(number)

    monkeypatch.setattr(os, "fsync", noted)
    with replacing(path, durable=True) as file:
        file.write(b"whole")
    assert synced == [(b"whole", False)]
    with replacing(path) as file:
        file.write(b"another")
    assert len(synced) == 1


def test_no_folder_is_made(folder: Path) -> None:
    """A folder that was removed meanwhile is not created again."""
    with pytest.raises(FileNotFoundError), replacing(folder / "gone" / "result.json"):
        pytest.fail("there is nothing to write to")
    assert not list(folder.iterdir())


class FullFile(FileIO):
    """Accepts three bytes per write, for a limited number of writes."""

    writes = 1

    def write(self, data: Any, /) -> int:
        if not self.writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.writes -= 1
        return super().write(bytes(data)[:3])


def test_what_does_not_fit_is_not_begun(tmp_path: Path) -> None:
    """A full disk leaves the file as it was; with space everything is appended, in as many writes as it takes."""
    path = tmp_path / "outbox.jsonl"
    path.write_bytes(b"a line\n")
    with FullFile(path, "ab") as file:
        with pytest.raises(OSError, match="No space"):
            append_whole(file, b"another line\n")
        assert path.read_bytes() == b"a line\n"
        file.writes = 5
        append_whole(file, b"another line\n")
    assert path.read_bytes() == b"a line\nanother line\n"
