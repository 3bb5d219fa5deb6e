"""Worker processes on this machine, each pinned to a GPU or to some processors."""

from __future__ import annotations

import contextlib
import logging
import signal
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from ....errors import ApertuneError, SpaceError
from ....processes import module_command
from ....text import counted
from ...messages import (
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
from .. import devices
from ..environments import check_counts, local_environments, told_of_machine
from ..memory_bound import SEARCH_MB, SPARE_MB, WORKER_MB, amount
from ..other_searches import WORKER
from ..places import PlaceSettings
from .worker_process import Worker, end_all, exit_words, was_killed

logger = logging.getLogger(__name__)

DISCOVERY_ATTEMPTS = 5
# Frameworks grow with every model built. At half of this growth a spare is started; at all of it the spare takes over.
MEMORY_GROWTH_LIMIT_MB = 40
# A spare's imports take 4 to 6 s of a processor, which would be a tenth of a search that is over in a minute.
SPARE_AFTER_S = 60.0
WORKER_COMMAND = tuple(module_command(WORKER))


def make_local_executor(
    places: PlaceSettings, logs: Path, *, at_most: int | None = None, only: int | None = None
) -> LocalExecutor:
    """Makes workers on this machine; see `make_executor`."""
    check_counts(places)
    environments = local_environments(places, at_most=at_most)
    for line in told_of_machine(places, environments, at_most):
        logger.warning(line)
    return LocalExecutor(environments[:only], logs, bound_mb=places.memory_mb, spare_after_s=SPARE_AFTER_S)


class LocalExecutor:
    """Keeps one worker process per slot, and a spare per device, which takes the place of a worker that ends.

    A spare has imported the framework and waits, so that no slot has to after an error or a kill. It is kept once there
    are more trials than slots, while memory has room for one more worker on each device: all may start at once. A
    search that has only begun has none yet, since one that is soon over would not get its imports back.

    Args:
        environments: Per slot, the variables that pin its device and threads (see `environments`); slots with equal
            variables share a device.
        logs: The folder for one log file per process.
        trials_per_worker: A worker is replaced after this many trials, or earlier if its memory has grown, as soon as
            a spare is ready.
        sharing_memory: Executors, each in a process of its own, that share this machine's memory.
        bound_mb: The most memory, in MiB, that all processes of the search may take together; None for no bound.
            Without room no spare is kept, and a slot is given up when trials take more than was reckoned with.
        spare_after_s: Seconds from the start without a spare.
        command: Starts a worker; the number of its end of the connection, an open file, is added.
    """

    def __init__(
        self,
        environments: Sequence[Mapping[str, str]],
        logs: Path,
        *,
        trials_per_worker: int = 50,
        sharing_memory: int = 1,
        bound_mb: float | None = None,
        spare_after_s: float = 0.0,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self.slots = len(environments)
        self._environments = environments
        # A device goes by the first slot that it has.
        self._devices = [environments.index(environment) for environment in environments]
        self._logs = logs
        self._trials_per_worker = trials_per_worker
        self._spares_mb = devices.WORKER_MEMORY_MB * len(set(self._devices)) * sharing_memory
        self._bound_mb = bound_mb
        self._spares_from = time.monotonic() + spare_after_s
        self._command = command
        # The most that a trial of each slot took, as far as one has ended there.
        self._taken_mb: dict[int, float] = {}
        # Slots that were given up, since memory has no room for their workers.
        self._given_up: set[int] = set()
        self._told_of_memory = False
        self._workers: dict[int, Worker] = {}
        self._spares: dict[int, Worker] = {}
        self._retired: list[Worker] = []
        self._started = 0
        self._submitted = 0
        self._memory_kills = devices.out_of_memory_kills()

    def start(self) -> None:
        """Starts a worker in every slot, so that all import the framework at once."""
        for slot in sorted(set(range(self.slots)) - self._given_up):
            self._worker(slot)

    def discover(self, task: DiscoveryTask) -> Discovered:
        answer = self._discovered(task)
        if isinstance(answer, DiscoveryFailed):
            raise (SpaceError if answer.user_error else ApertuneError)(f"space '{task.space.name}': {answer.reason}")
        assert isinstance(answer, Discovered)
        return answer

    def _discovered(self, task: DiscoveryTask) -> object:
        """The worker's answer; a worker that is killed from outside meanwhile says nothing against the space."""
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
            if left == 0 or not was_killed(status):
                words = f"the worker died ({exit_words(status)}) while it discovered the space; see {worker.log}"
                raise ApertuneError(words)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def free_slots(self) -> int:
        busy = sum(worker.trial is not None for worker in self._workers.values())
        return self.slots - len(self._given_up) - busy

    def submit(self, task: TrialTask) -> None:
        busy = {slot for slot, worker in self._workers.items() if worker.trial is not None}
        slot = min(set(range(self.slots)) - busy - self._given_up)
        worker = self._worker(slot)
        worker.trial = task.number
        worker.connection.send(task)
        self._submitted += 1
        is_due = self._submitted > self.slots and time.monotonic() >= self._spares_from
        if is_due and self._has_room_for_spares():
            self._keep_spare(slot)

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
        end_all([*self._workers.values(), *self._spares.values(), *self._retired])
        self._workers.clear()
        self._spares.clear()
        self._retired.clear()

    def process_ids(self) -> dict[int, int]:
        """Returns the process number of the worker in each slot."""
        return {slot: worker.process.pid for slot, worker in self._workers.items()}

    def _worker_of(self, number: int) -> Worker | None:
        return next((worker for worker in self._workers.values() if worker.trial == number), None)

    def _worker(self, slot: int) -> Worker:
        """The worker of the slot; a new one is the spare of its device, if that is alive, whether ready or not."""
        if slot not in self._workers:
            self._workers[slot] = self._living_spare(slot) or self._started_for(slot)
            self._spares.pop(self._devices[slot], None)
            self._workers[slot].slot = slot
        return self._workers[slot]

    def _started_for(self, slot: int) -> Worker:
        log = self._logs / f"worker-{self._started}.log"
        self._started += 1
        return Worker.start(self._command, self._environments[slot], log)

    def _keep_spare(self, slot: int) -> None:
        """Starts a spare unless there is one; a system that has no room for a process does without."""
        if self._living_spare(slot) is None:
            with contextlib.suppress(OSError):
                self._spares[self._devices[slot]] = self._started_for(slot)

    def _living_spare(self, slot: int) -> Worker | None:
        spare = self._spares.get(self._devices[slot])
        if spare is not None and not spare.is_running():
            spare.connection.close()
            del self._spares[self._devices[slot]]
            # If it was killed for memory, no worker that ends next was.
            self._memory_kills = devices.out_of_memory_kills()
            return None
        return spare

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
        """Frees the slot, and replaces the worker after an error, or if it is old or large and a spare is ready.

        A worker that was killed while its result was under way is replaced, too.
        """
        worker.trial_ended()
        if self._bound_mb is not None and self._gives_up(worker, result.peak_memory_mb, self._bound_mb):
            return
        left = self._trials_per_worker - worker.trials_done
        old = worker.grown_mb > MEMORY_GROWTH_LIMIT_MB or left <= 0
        spare = self._living_spare(worker.slot)
        has_room = self._bound_mb is None or spare is not None or self._has_room_for_spares()
        is_replaced = (spare is not None and spare.is_ready()) or not has_room
        if result.ends_worker or worker.killed_because or (old and is_replaced):
            self._retire(worker)
        elif has_room and (worker.grown_mb > MEMORY_GROWTH_LIMIT_MB / 2 or left <= 1):
            self._keep_spare(worker.slot)

    def _has_room_for_spares(self) -> bool:
        """Returns whether memory has room for one more worker on each device."""
        _, free_mb = devices.memory_mb()
        if self._bound_mb is None:
            return free_mb >= self._spares_mb
        spares_mb = SPARE_MB * len(set(self._devices))
        return free_mb >= spares_mb and self._reckoned_mb() + spares_mb <= self._bound_mb

    def _reckoned_mb(self) -> float:
        """Returns what the search takes without spares: by its trials so far, and by the least where none has ended."""
        slots = set(range(self.slots)) - self._given_up
        return SEARCH_MB + sum(max(WORKER_MB, self._taken_mb.get(slot, 0.0)) for slot in slots)

    def _gives_up(self, worker: Worker, peak_mb: float, bound_mb: float) -> bool:
        """Ends what the bound has no room for after a trial: spares first, and then the slot, unless it is the last."""
        slot = worker.slot
        self._taken_mb[slot] = max(self._taken_mb.get(slot, 0.0), peak_mb - worker.shared_mb())
        reckoned_mb = self._reckoned_mb()
        if self._spares and reckoned_mb + SPARE_MB * len(self._spares) > bound_mb:
            end_all(self._spares.values())
            self._spares.clear()
        if reckoned_mb <= bound_mb:
            return False
        left = self.slots - len(self._given_up) - 1
        if not self._told_of_memory or left:
            took = f"a trial took {amount(self._taken_mb[slot])} of memory, and the search {amount(reckoned_mb)}"
            advice = f"{counted(left, 'worker')} goes on" if left == 1 else f"{left} workers go on"
            way_out = "narrow batch_size or the network's size, or allow more" if not left else advice
            logger.warning("%s, more than --memory allows (%s); %s.", took, amount(bound_mb), way_out)
            self._told_of_memory = True
        if not left:
            return False
        self._given_up.add(slot)
        self._end(worker)
        return True

    def _retire(self, worker: Worker) -> None:
        self._end(worker)
        # The imports of the next worker begin now; without room for a process, the slot's next trial tries again.
        with contextlib.suppress(OSError):
            self._worker(worker.slot)

    def _end(self, worker: Worker) -> None:
        """Tells a worker without a trial to end, and takes it out of its slot."""
        worker.connection.send(None)
        del self._workers[worker.slot]
        retired, self._retired = self._retired, [worker]
        for old in retired:
            if old.is_running():
                self._retired.append(old)
            else:
                old.connection.close()

    def _buried(self, worker: Worker) -> list[TrialEvent]:
        """Takes a dead worker out of its slot; its trial, if it had one, is lost."""
        status = worker.bury()
        del self._workers[worker.slot]
        kills, before = devices.out_of_memory_kills(), self._memory_kills
        self._memory_kills = kills
        if worker.trial is None:
            return []
        for_memory = status == -signal.SIGKILL and not worker.killed_because and (kills or 0) > (before or 0)
        cause = "was killed by the kernel for memory" if for_memory else f"died ({exit_words(status)})"
        by_others = was_killed(status) and not for_memory and not worker.killed_because
        return [TrialLost(worker.trial, worker.killed_because or f"the worker {cause}", for_memory, by_others)]
