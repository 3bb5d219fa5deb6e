"""Worker processes on this machine: those that do not read, and the resources they leave behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from pretend_faults import PRETEND_WORKER, answer, wait_until
from pretend_study import Bench, pretended_task

from apertune.search.executors.environments import worker_environments
from apertune.search.executors.local import worker_process
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.executors.local.queued_connection import QueuedConnection
from apertune.search.executors.local.worker_process import CLOSING_TIMEOUT_S
from apertune.search.messages import StopRequest, TrialLost, TrialResult, TrialTask
from apertune.search.studies.study import Asked

# Pickled, about eight times as much as a socket holds.
MANY_ROWS = 200_000
AT_ONCE_S = 2.0
COUNTING_WORKER = """
from apertune.search.executors.local.queued_connection import QueuedConnection
from apertune.search.messages import TrialResult
from apertune.search.training.worker import serve

def count(task, emit, stop_requested):
    views = (task.view, *task.rounds)
    sums = {str(number): float(view.train.sum()) for number, view in enumerate(views)}
    return TrialResult(task.number, "complete", metrics=sums)

serve(count, None)
"""
FAILING_WORKER = """
from apertune.search.executors.local.queued_connection import QueuedConnection
from apertune.search.messages import TrialResult
from apertune.search.training.worker import serve

serve(lambda task, emit, stop_requested: TrialResult(task.number, "failed", "no such layer"), None)
"""


def large_task(folder: Path, number: int, folds: int = 0) -> TrialTask:
    task = pretended_task(folder, Asked(number, {"rate": 0.5}))
    view = replace(task.view, train=np.arange(MANY_ROWS))
    rounds = tuple(replace(view, train=np.arange(MANY_ROWS) + fold) for fold in range(1, folds + 1))
    return replace(task, view=view, rounds=rounds)


def small_task(folder: Path, number: int) -> TrialTask:
    return pretended_task(folder, Asked(number, {"rate": 0.5}))


def at_once(call: Callable[[], object]) -> None:
    """Calls in a thread, so that a call that never returns fails the test instead of blocking it."""
    done: Future[object] = Future()
    threading.Thread(target=lambda: done.set_result(call()), daemon=True).start()
    done.result(AT_ONCE_S)


def freeze(executor: LocalExecutor) -> None:
    for process_id in executor.process_ids().values():
        os.kill(process_id, signal.SIGSTOP)


@pytest.fixture
def executor(tmp_path: Path) -> Iterator[LocalExecutor]:
    made = LocalExecutor(worker_environments(1), tmp_path / "logs", command=PRETEND_WORKER)
    made.start()
    yield made
    for worker in made._workers.values():
        worker.process.kill()
    made.close()


def test_a_worker_that_does_not_read_keeps_nobody_waiting(executor: LocalExecutor, tmp_path: Path) -> None:
    """A large task for a stopped worker is submitted at once, can be stopped and killed, and frees its slot."""
    freeze(executor)
    at_once(lambda: executor.submit(large_task(tmp_path, 0)))
    at_once(lambda: executor.stop(StopRequest(0, "interrupted", "enough")))
    assert executor.wait(0.1) == []
    executor.kill(0, "it said nothing")
    assert answer(executor) == TrialLost(0, "it said nothing")
    executor.submit(small_task(tmp_path, 1))
    result = answer(executor)
    assert isinstance(result, TrialResult)
    assert (result.number, result.outcome) == (1, "complete")


def test_closing_ends_a_worker_that_does_not_read(executor: LocalExecutor, tmp_path: Path) -> None:
    """With a large task on its way to a stopped worker, close returns in time and leaves no thread."""
    threads = threading.active_count()
    freeze(executor)
    at_once(lambda: executor.submit(large_task(tmp_path, 0)))
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < CLOSING_TIMEOUT_S + AT_ONCE_S
    assert threading.active_count() == threads - 1


def test_a_worker_that_goes_on_gets_everything_in_order(executor: LocalExecutor, tmp_path: Path) -> None:
    """A trial obeys a stop request sent after its large task once its worker reads again."""
    process_id = executor.process_ids()[0]
    freeze(executor)
    task = replace(large_task(tmp_path, 0), epochs=2000)
    at_once(lambda: executor.submit(task))
    at_once(lambda: executor.stop(StopRequest(0, "interrupted", "enough")))
    os.kill(process_id, signal.SIGCONT)
    result = answer(executor)
    assert isinstance(result, TrialResult)
    assert (result.outcome, result.reason) == ("interrupted", "enough")


def test_a_large_task_arrives_whole(tmp_path: Path) -> None:
    """The rows of every fold reach a worker that is still starting unchanged."""
    script = tmp_path / "counting_worker.py"
    script.write_text(COUNTING_WORKER)
    executor = LocalExecutor(worker_environments(1), tmp_path / "logs", command=(sys.executable, str(script)))
    try:
        at_once(lambda: executor.submit(large_task(tmp_path, 0, folds=5)))
        result = answer(executor)
    finally:
        executor.close()
    first = MANY_ROWS * (MANY_ROWS - 1) / 2
    assert isinstance(result, TrialResult)
    assert result.metrics == {str(fold): first + fold * MANY_ROWS for fold in range(6)}


def test_the_hang_limit_ends_a_worker_hung_in_its_imports(tmp_path: Path) -> None:
    """A search whose workers never read ends by the hang limit, whatever the size of its tasks."""

    class LargeBench(Bench):
        def task(self, asked: Asked) -> TrialTask:
            return large_task(self.folder, asked.number)

    script = tmp_path / "hung_worker.py"
    script.write_text("import time\ntime.sleep(600)\n")
    executor = LocalExecutor(worker_environments(1), tmp_path / "logs", command=(sys.executable, str(script)))
    bench = LargeBench(tmp_path)
    search = threading.Thread(target=lambda: bench.run_with(executor, 1, hang_seconds=0.5), daemon=True)
    search.start()
    search.join(20)
    stood_still = search.is_alive()
    for worker in list(executor._workers.values()):
        worker.process.kill()
    executor.close()
    assert not stood_still
    assert bench.states() == ["failed"]


def held() -> tuple[int, int]:
    """Returns the number of threads and open files of this process."""
    return threading.active_count(), psutil.Process().num_fds()


def test_killed_workers_leave_nothing_open(tmp_path: Path) -> None:
    """A hundred workers killed with a task on its way leave as many threads and open files as two."""
    executor, after = LocalExecutor(worker_environments(1), tmp_path / "logs", command=PRETEND_WORKER), []
    try:
        for number in range(100):
            executor.start()
            freeze(executor)
            executor.submit(large_task(tmp_path, number))
            executor.kill(number, "enough")
            assert isinstance(answer(executor), TrialLost)
            after.append(held())
    finally:
        executor.close()
    # From the second trial on there is a spare.
    assert after[-1] == after[1]


def test_retired_workers_leave_nothing_open(tmp_path: Path) -> None:
    """Twenty workers that ended with an error leave as many threads and open files as two."""
    script = tmp_path / "failing_worker.py"
    script.write_text(FAILING_WORKER)
    command, after = (sys.executable, str(script)), []
    executor = LocalExecutor(worker_environments(1), tmp_path / "logs", command=command)
    try:
        for number in range(20):
            executor.submit(small_task(tmp_path, number))
            assert isinstance(answer(executor), TrialResult)
            wait_until(lambda: executor._retired[-1].process.poll() is not None)
            after.append(held())
    finally:
        executor.close()
    # A retired worker's sender may end a little later than the worker.
    assert after[-1][0] <= after[1][0] + 1
    assert after[-1][1] == after[1][1]


def test_a_worker_killed_behind_its_result_gets_no_trial(tmp_path: Path) -> None:
    """A result that arrives as its worker is killed counts, and the next trial goes to another worker."""
    executor = LocalExecutor(worker_environments(1), tmp_path / "logs", command=PRETEND_WORKER)
    try:
        task, epochs = small_task(tmp_path, 0), tmp_path / "0" / "epochs.txt"
        executor.submit(task)
        wait_until(lambda: epochs.exists() and len(epochs.read_text().split()) == task.epochs)
        time.sleep(0.5)
        executor.kill(0, "it said nothing")
        assert isinstance(answer(executor), TrialResult)
        executor.submit(small_task(tmp_path, 1))
        assert isinstance(answer(executor), TrialResult)
    finally:
        executor.close()


def test_a_worker_that_closes_and_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that hangs in its shutdown costs its trial one attempt and the supervisor only a moment."""
    monkeypatch.setattr(worker_process, "CLOSING_TIMEOUT_S", 0.2)
    script = tmp_path / "undying_worker.py"
    script.write_text("import os, sys, time\nos.close(int(sys.argv[1]))\ntime.sleep(600)\n")
    executor = LocalExecutor(worker_environments(1), tmp_path / "logs", command=(sys.executable, str(script)))
    try:
        executor.submit(small_task(tmp_path, 0))
        lost = answer(executor)
    finally:
        executor.close()
    assert lost == TrialLost(0, "the worker closed its connection and did not end")


def test_closing_frees_a_sender_whose_other_side_lives_on() -> None:
    """An unread message whose other end is still open blocks neither close nor the sender's thread."""
    threads = threading.active_count()
    ours, theirs = socket.socketpair()
    with theirs:
        connection = QueuedConnection(ours)
        connection.send(bytes(10**7))
        wait_until(lambda: bool(theirs.recv(1, socket.MSG_PEEK)))
        at_once(connection.close)
        connection.close()
    wait_until(lambda: threading.active_count() == threads)
