"""Row 15 of the faults: the clock is moved while a search runs."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from pretend_faults import PRETEND_WORKER, TimedDisplay, local, wait_until
from pretend_study import Bench

from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.tracking.outbox import unsent
from apertune.search.tracking.records import RunStarted


@pytest.mark.parametrize("moved_s", [3600.0, -3600.0])
def test_a_clock_that_is_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved_s: float) -> None:
    """With the clock of supervisor and workers moved by an hour, no trial fails or hangs, and time limits hold."""
    clock, right = tmp_path / "clock", time.time
    clock.write_text("0")
    monkeypatch.setenv("APERTUNE_PRETEND_CLOCK", str(clock))
    monkeypatch.setenv("APERTUNE_PRETEND_SECONDS", "0.05")
    monkeypatch.setattr(time, "time", lambda: right() + float(clock.read_text()))

    def move() -> None:
        wait_until((tmp_path / "1" / "epochs.txt").exists)
        # Replaced in one step, since a worker may read it meanwhile.
        (tmp_path / "moved").write_text(str(moved_s))
        (tmp_path / "moved").replace(clock)

    mover = threading.Thread(target=move)
    mover.start()
    bench, display, began = Bench(tmp_path), TimedDisplay(), time.monotonic()
    bench.display = display  # type: ignore[assignment]  # any display will do
    executor = local(tmp_path, 2)
    try:
        state = bench.run_with(executor, 1000, deadline=began + 4.0, trial_seconds=60, hang_seconds=60)
    finally:
        executor.close()
        mover.join()
    assert 4.0 <= time.monotonic() - began < 9.0
    assert Counter(bench.states())["complete"] == state.finished > 2
    assert set(bench.states()) <= {"complete", "running"}
    assert not display.put_back
    told = [
        record.time_ms / 1000 - right()
        for record, _ in unsent(tmp_path / "outbox.jsonl", 0)
        if type(record) is RunStarted
    ]
    assert abs(told[-1] - moved_s) < 60


def test_a_wrong_clock_is_what_a_worker_sees(tmp_path: Path) -> None:
    """The wrong clock reaches the pretended worker: the times of its epochs are an hour off."""
    clock = tmp_path / "clock"
    clock.write_text("3600")
    bench = Bench(tmp_path, epochs=1)
    environments = [{**variables, "APERTUNE_PRETEND_CLOCK": str(clock)} for variables in worker_environments(1)]
    executor = LocalExecutor(environments, tmp_path / "logs", command=PRETEND_WORKER)
    try:
        bench.run_with(executor, 1)
    finally:
        executor.close()
    lines = [json.loads(line) for line in (tmp_path / "outbox.jsonl").read_text().splitlines()]
    times = [
        point[3] / 1000 for line in lines if line["kind"] == "MetricsLogged" for point in line["points"] if point[2]
    ]
    assert times
    assert all(abs(at - time.time() - 3600) < 60 for at in times)
