"""Worker processes on this machine, each pinned to a GPU or to some processors."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import psutil

from ...errors import ApertuneError, SpaceError
from .. import devices
from ..messages import (
    Discovered,
    DiscoveryFailed,
    DiscoveryTask,
    StopRequest,
    TrialEvent,
    TrialLost,
    TrialResult,
    TrialTask,
    WorkerReady,
)
from .queued_connection import QueuedConnection

CLOSING_TIMEOUT_S = 5.0
DISCOVERY_ATTEMPTS = 5
# Frameworks grow with every model built. A spare is started at half of this, and takes over once it is ready.
MEMORY_GROWTH_LIMIT_MB = 40
# Its first trials fill a framework's own caches, which is no growth.
TRIALS_TO_WARM_UP = 3
WORKER_COMMAND = (sys.executable, "-m", "apertune.search.training.worker")


@dataclass
class Worker:
    """A running worker process and the trial it has, if any."""

    slot: int
    process: subprocess.Popen[bytes]
    connection: QueuedConnection
    trial: int | None = None
    trials_done: int = 0
    killed_because: str = ""
    warm_resident_mb: float = 0.0


class LocalExecutor:
    """One worker process a slot, started when first needed and replaced when it ends.

    environments: for each slot the variables that pin its device and threads (see `environments`).
    logs: the folder for one log file a slot. trials_per_worker: a worker is replaced after so many, or before
    when its memory has grown, as soon as another is ready. command: what starts a worker; the number of its end of the
    connection, an open file, is added.
    """

    def __init__(
        self,
        environments: Sequence[Mapping[str, str]],
        logs: Path,
        *,
        trials_per_worker: int = 50,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self.slots = len(environments)
        self._environments = environments
        self._logs = logs
        self._trials_per_worker = trials_per_worker
        self._command = command
        self._workers: dict[int, Worker] = {}
        self._spares: dict[int, Worker] = {}
        self._retired: list[Worker] = []
        self._memory_kills = devices.out_of_memory_kills()

    def start(self) -> None:
        """Starts a worker in every slot, so that they import the framework beside each other."""
        for slot in range(self.slots):
            self._worker(slot)

    def discover(self, task: DiscoveryTask) -> str:
        answer = self._discovered(task)
        if isinstance(answer, DiscoveryFailed):
            raise (SpaceError if answer.user_error else ApertuneError)(f"space '{task.space.name}': {answer.reason}")
        assert isinstance(answer, Discovered)
        return answer.search_space.to_json()

    def _discovered(self, task: DiscoveryTask) -> object:
        """The worker's answer; one that is killed from outside meanwhile says nothing against the space."""
        for left in reversed(range(DISCOVERY_ATTEMPTS)):
            worker = self._worker(0)
            try:
                worker.connection.send(task)
                while isinstance(answer := worker.connection.recv(), WorkerReady):
                    pass
                return answer
            except (EOFError, OSError):
                self._buried(worker)
            status = worker.process.returncode
            if left == 0 or status not in (-signal.SIGKILL, -signal.SIGTERM):
                words = f"the worker died ({_exit_words(status)}) while it discovered the space; see {self._log(0)}"
                raise ApertuneError(words)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def free_slots(self) -> int:
        return self.slots - sum(worker.trial is not None for worker in self._workers.values())

    def submit(self, task: TrialTask) -> None:
        busy = {slot for slot, worker in self._workers.items() if worker.trial is not None}
        slot = min(set(range(self.slots)) - busy)
        worker = self._worker(slot)
        worker.trial = task.number
        worker.connection.send(task)

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        workers = {worker.connection.fileno(): worker for worker in self._workers.values()}
        if not workers:
            time.sleep(timeout_s)
            return []
        events: list[TrialEvent] = []
        for ready in wait(list(workers), timeout_s):
            assert isinstance(ready, int)
            events += self._receive(workers[ready])
        return events

    def stop(self, request: StopRequest) -> None:
        worker = self._worker_of(request.number)
        if worker is not None:
            worker.connection.send(request)

    def kill(self, number: int, reason: str) -> None:
        worker = self._worker_of(number)
        if worker is not None:
            worker.killed_because = reason
            worker.process.kill()

    def close(self) -> None:
        everyone = [*self._workers.values(), *self._spares.values(), *self._retired]
        for worker in everyone:
            worker.process.terminate()
        deadline = time.monotonic() + CLOSING_TIMEOUT_S
        for worker in everyone:
            try:
                worker.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.connection.close()
        self._workers.clear()
        self._spares.clear()
        self._retired.clear()

    def process_ids(self) -> dict[int, int]:
        """Process number of each slot's worker."""
        return {slot: worker.process.pid for slot, worker in self._workers.items()}

    def _worker_of(self, number: int) -> Worker | None:
        return next((worker for worker in self._workers.values() if worker.trial == number), None)

    def _worker(self, slot: int) -> Worker:
        if slot not in self._workers:
            self._workers[slot] = self._spares.pop(slot) if slot in self._spares else self._spawn(slot)
        return self._workers[slot]

    def _spawn(self, slot: int) -> Worker:
        ours, theirs = socket.socketpair()
        self._logs.mkdir(parents=True, exist_ok=True)
        with theirs, self._log(slot).open("ab") as log:
            # A new process group, so that Ctrl-C reaches the supervisor alone; it tells the workers.
            process = subprocess.Popen(
                [*self._command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environments[slot]},
                start_new_session=True,
            )
        return Worker(slot, process, QueuedConnection(ours))

    def _log(self, slot: int) -> Path:
        return self._logs / f"worker-{slot}.log"

    def _receive(self, worker: Worker) -> list[TrialEvent]:
        events: list[TrialEvent] = []
        try:
            while worker.connection.poll():
                message = worker.connection.recv()
                if isinstance(message, WorkerReady):
                    continue
                events.append(message)
                if isinstance(message, TrialResult):
                    self._finished(worker, message)
                    break
        except (EOFError, OSError):
            events += self._buried(worker)
        return events

    def _finished(self, worker: Worker, result: TrialResult) -> None:
        """Frees the slot. A worker is replaced after an error, and by a spare that is ready when it is old or large.

        So is one that was killed when its result was under way.
        """
        worker.trial = None
        worker.trials_done += 1
        resident_mb = _resident_mb(worker.process.pid)
        if worker.trials_done <= TRIALS_TO_WARM_UP:
            worker.warm_resident_mb = resident_mb
        grown_mb, left = resident_mb - worker.warm_resident_mb, self._trials_per_worker - worker.trials_done
        old = grown_mb > MEMORY_GROWTH_LIMIT_MB or left <= 0
        if result.ends_worker or worker.killed_because or (old and self._spare_is_ready(worker.slot)):
            self._retire(worker)
        elif (grown_mb > MEMORY_GROWTH_LIMIT_MB / 2 or left <= 1) and worker.slot not in self._spares:
            self._spares[worker.slot] = self._spawn(worker.slot)

    def _spare_is_ready(self, slot: int) -> bool:
        """Whether it has said so. One that has died counts, too: in its slot its death is noticed and answered."""
        return slot in self._spares and self._spares[slot].connection.poll()

    def _retire(self, worker: Worker) -> None:
        worker.connection.send(None)
        del self._workers[worker.slot]
        retired, self._retired = self._retired, [worker]
        for old in retired:
            if old.process.poll() is None:
                self._retired.append(old)
            else:
                old.connection.close()
        self._worker(worker.slot)

    def _buried(self, worker: Worker) -> list[TrialEvent]:
        """Takes a dead worker out of its slot; its trial, if it had one, is lost."""
        try:
            status = worker.process.wait(CLOSING_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Frameworks with threads of their own may hang in the interpreter's shutdown.
            worker.killed_because = worker.killed_because or "the worker closed its connection and did not end"
            worker.process.kill()
            status = worker.process.wait()
        worker.connection.close()
        del self._workers[worker.slot]
        kills, before = devices.out_of_memory_kills(), self._memory_kills
        self._memory_kills = kills
        if worker.trial is None:
            return []
        for_memory = status == -signal.SIGKILL and not worker.killed_because and (kills or 0) > (before or 0)
        cause = "was killed by the kernel for memory" if for_memory else f"died ({_exit_words(status)})"
        by_others = status in (-signal.SIGKILL, -signal.SIGTERM) and not for_memory and not worker.killed_because
        return [TrialLost(worker.trial, worker.killed_because or f"the worker {cause}", for_memory, by_others)]


def _resident_mb(process_id: int) -> float:
    try:
        return float(psutil.Process(process_id).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def _exit_words(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"
