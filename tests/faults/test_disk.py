"""Rows 13 and 14 of the faults: the disk is full; the power fails in the middle of a write."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pretend_faults import assert_each_once, local, stored, wait_until
from pretend_study import Bench
from small_disk import SmallDisk, sqlite_is_whole

from apertune.datasets import from_arrays
from apertune.errors import ApertuneError
from apertune.files.disk_space import with_space
from apertune.search.messages import TrialResult
from apertune.search.sending.sender import Sender
from apertune.search.studies.storage import patience as persistence
from apertune.search.tracking.outbox import Outbox, read_progress, unsent
from apertune.search.tracking.records import MemoryTracker, RunEnded, RunStarted, TagsSet


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    made = SmallDisk(tmp_path / "disk", 8)
    yield made
    made.unmount()


class FullForAWhile:
    """Fills the disk once a trial has run an epoch, and makes space once the fault is named."""

    def __init__(self, disk: SmallDisk, trained: Path, log: pytest.LogCaptureFixture) -> None:
        self._disk = disk
        self._trained = trained
        self._log = log
        self.named_after_s: float | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        wait_until(self._trained.exists)
        self._disk.fill()
        filled = time.monotonic()
        # As long as the search is patient with the disk, however crowded the machine is.
        while time.monotonic() - filled < persistence.STORAGE_PATIENCE_S:
            if any("full" in line or "No space" in line for line in self._log.messages):
                self.named_after_s = time.monotonic() - filled
                break
            time.sleep(0.02)
        time.sleep(0.3)
        self._disk.make_space()

    def over(self) -> None:
        self._thread.join()


@pytest.mark.parametrize("where", ["studies.db", "outbox.jsonl", "trials.jsonl"])
def test_a_full_disk_is_waited_for(
    disk: SmallDisk,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    note: Callable[[str], None],
) -> None:
    """A full disk under database, outbox or trials' file is named; with space each trial completes once."""
    monkeypatch.setenv("APERTUNE_PRETEND_SECONDS", "0.05")
    # Enough trials for the file to outgrow its page, too.
    trials = 24 if where == "trials.jsonl" else 8
    study = tmp_path / "study"
    study.mkdir()
    if where != "trials.jsonl":
        (study / where).symlink_to(disk.folder / where)
    bench, executor = Bench(study), local(tmp_path, 2)
    if where == "trials.jsonl":
        # The study's owner replaces the file when it begins.
        shutil.move(study / where, disk.folder / where)
        (study / where).symlink_to(disk.folder / where)
    fault = FullForAWhile(disk, study / "1" / "epochs.txt", caplog)
    try:
        with caplog.at_level(logging.WARNING):
            bench.run_with(executor, trials)
    finally:
        fault.over()
        executor.close()
    assert fault.named_after_s is not None
    assert_each_once(study, trials, 4)
    assert sqlite_is_whole(study / "studies.db")
    assert None not in [record for record, _ in unsent(study / "outbox.jsonl", 0)]
    note(f"{where}: named after {fault.named_after_s:.2f} s")


def test_a_sender_on_a_full_disk_goes_on(disk: SmallDisk) -> None:
    """A sender that cannot note its progress says so, goes on, and has lost nothing after a restart."""
    path = disk.folder / "outbox.jsonl"
    records = [RunStarted("k", "e", "n", 1), TagsSet("k", {"state": "complete"}), RunEnded("k", "FINISHED", 2)]
    with Outbox(path) as outbox:
        outbox.put(*records)
    disk.fill()
    tracker = MemoryTracker()
    assert Sender(path, tracker, lambda error: False).send()
    assert tracker.records == records
    assert read_progress(path).offset == 0
    disk.make_space()
    assert Sender(path, MemoryTracker(), lambda error: False).send()
    assert read_progress(path).offset == path.stat().st_size


def test_a_disk_that_stays_full_ends_the_search(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line says what could not be written, why, and what to do; everything written is whole."""
    monkeypatch.setattr(persistence, "STORAGE_PATIENCE_S", 0.1)
    with Outbox(disk.folder / "outbox.jsonl") as outbox:
        outbox.put(TagsSet("k", {"state": "running"}))
        disk.fill()
        with pytest.raises(ApertuneError, match=r"outbox of .* could not be written .*No space left.* continues"):
            outbox.put(TagsSet("k", {"reason": "x" * 2**14}))
    assert [record for record, _ in unsent(disk.folder / "outbox.jsonl", 0)] == [TagsSet("k", {"state": "running"})]


def test_artifacts_on_a_full_disk_are_sent_later(
    disk: SmallDisk, tmp_path: Path, empty_store: Path, note: Callable[[str], None]
) -> None:
    """A model that does not fit on the artifacts' disk is named at once, and sent whole when there is space."""
    from apertune.search.tracking.mlflow_tracker import MlflowTracker, is_refused
    from apertune.search.tracking.records import FilesLogged

    shutil.copy(empty_store, tmp_path / "mlflow.db")
    files, path = tmp_path / "files", tmp_path / "outbox.jsonl"
    files.mkdir()
    (files / "weights").write_bytes(os.urandom(3 * 2**20))
    expected = (files / "weights").read_bytes()
    with Outbox(path) as outbox:
        outbox.put(
            RunStarted("k", "e", "n", 1), FilesLogged("k", str(files), remove=True), RunEnded("k", "FINISHED", 2)
        )
    tracker = MlflowTracker(f"sqlite:///{tmp_path / 'mlflow.db'}", disk.folder)
    disk.fill()
    sender, began = Sender(path, tracker, is_refused), time.monotonic()
    assert not sender.send()
    note(f"named after {time.monotonic() - began:.2f} s")
    assert "No space left on device" in read_progress(path).problem
    assert files.exists()
    disk.make_space()
    assert sender.send()
    assert read_progress(path).problem == ""
    [found] = disk.folder.rglob("weights")
    assert found.read_bytes() == expected


def test_a_full_disk_under_the_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that do not fit into the cache raise an error that names it; with space the same call succeeds."""
    small = SmallDisk(tmp_path / "disk", 1)
    try:
        monkeypatch.setenv("APERTUNE_CACHE", str(small.folder / "cache"))
        images = np.random.default_rng(0).integers(0, 255, (600, 64, 64, 1), np.uint8)
        labels = np.arange(600, dtype=np.int32) % 3
        with pytest.raises(ApertuneError, match=f"cannot fill the cache in {small.folder}"):
            from_arrays("large", images, labels, ("a", "b", "c"))
        subprocess.run(["mount", "-o", "remount,size=16m", str(small.folder)], check=True)
        view = from_arrays("large", images, labels, ("a", "b", "c")).training_view()
        assert view.images("train").shape[1:] == (64, 64, 1)
    finally:
        small.unmount()


@pytest.mark.parametrize("step", [512, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_a_database_cut_at_every_byte(tmp_path: Path, step: int) -> None:
    """With the write-ahead log cut at any byte, the study opens and holds every trial acknowledged before the cut."""
    bench = Bench(tmp_path)
    log = tmp_path / "studies.db-wal"
    acknowledged: list[tuple[int, int]] = []
    for number in range(3):
        asked = bench.study.ask()
        assert asked is not None
        bench.study.tell(TrialResult(asked.number, "complete", value=number / 10))
        acknowledged.append((log.stat().st_size, number + 1))
    content, base = log.read_bytes(), (tmp_path / "studies.db").read_bytes()
    from_byte = acknowledged[1][0]
    cuts = sorted({*range(from_byte, len(content), step), *range(len(content) - 32, len(content) + 1)})
    folder = tmp_path / "cut"
    folder.mkdir()
    for cut in cuts:
        for file in folder.iterdir():
            file.unlink()
        (folder / "studies.db").write_bytes(base)
        (folder / "studies.db-wal").write_bytes(content[:cut])
        rows = complete_trials(folder / "studies.db")
        assert len(rows) >= max(trials for size, trials in acknowledged if size <= cut)
        assert rows == [number / 10 for number in range(len(rows))]
    assert len(complete_trials(folder / "studies.db")) == 3
    assert [record.state for record in stored(folder).records()] == ["complete"] * 3


def complete_trials(path: Path) -> list[float]:
    """Returns the values of the complete trials as SQLite recovers them, and asserts that the file is whole."""
    connection = sqlite3.connect(path)
    try:
        assert list(connection.execute("PRAGMA quick_check")) == [("ok",)]
        query = "SELECT value FROM trials JOIN trial_values USING (trial_id) WHERE state = 'COMPLETE' ORDER BY number"
        return [value for (value,) in connection.execute(query)]
    finally:
        connection.close()


def test_records_cut_at_every_byte(tmp_path: Path) -> None:
    """With the trials' file cut in its last line, the database is read instead, and the study's owner repairs it."""
    bench = Bench(tmp_path)
    for _ in range(2):
        asked = bench.study.ask()
        assert asked is not None
        bench.study.tell(TrialResult(asked.number, "complete", value=0.5))
    file = tmp_path / "trials.jsonl"
    content, reader = file.read_bytes(), stored(tmp_path)
    last = content.rstrip(b"\n").rfind(b"\n") + 1
    for cut in range(last + 1, len(content)):
        file.write_bytes(content[:cut])
        assert [record.number for record in reader.records_in(file)] == [0, 1]
    bench.reopen()
    assert len(file.read_bytes().splitlines()) == 3


def test_a_trial_waits_for_space(disk: SmallDisk, tmp_path: Path) -> None:
    """A trial's results are saved when there is space, and told once; any other error is raised at once."""
    told: list[str] = []
    disk.fill()

    def save() -> None:
        (disk.folder / "model").write_bytes(bytes(2**20))

    def make_space_when_told(reason: str) -> None:
        told.append(reason)
        disk.make_space()

    with_space(save, disk.folder, make_space_when_told)
    assert (disk.folder / "model").stat().st_size == 2**20
    assert told == [f"the disk of {disk.folder} is full ([Errno 28] No space left on device)"]
    with pytest.raises(FileNotFoundError):
        with_space((tmp_path / "gone").unlink, tmp_path, told.append)
