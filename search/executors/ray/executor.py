"""Trials on a Ray cluster: one actor a slot, each with a GPU, a share of one, or some processors.

A trial's data goes to a node once, and all that a trial leaves comes back to the supervisor's own folder while it
runs, so a node may be lost at any time: its trials are told as lost, and go on elsewhere from what came back. Ray is
asked for a new actor in place of a lost one; it starts as soon as some node has room.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import ApertuneError, SpaceError
from ...messages import Discovered, DiscoveryTask, StopRequest, TrialEvent, TrialLost, TrialTask
from ..places import PlaceSettings
from .connection import connected, lost_trial, one_line
from .folder_mirror import read_folder
from .pool import ActorPool, ActorSettings, Slot
from .returning import Batch, put_back
from .shipping import pack, rows_of

if TYPE_CHECKING:
    from .actor import Cargo, SpaceWalked

logger = logging.getLogger(__name__)

READY_PATIENCE_S = 30.0
# A command ends within 10 s of the first Ctrl-C: its trials are killed after 4 s, and after that there is still to
# close the actors (2 s) and to send what was recorded (2 s).
KILL_PATIENCE_S = 1.0


def make_ray_executor(
    places: PlaceSettings, logs: Path, *, at_most: int | None = None, only: int | None = None
) -> RayExecutor:
    """Makes workers on the cluster that `places` names. The cluster's room bounds them, not `at_most` or `only`."""
    assert places.cluster is not None
    return RayExecutor(places.cluster, logs, workers=places.workers, per_gpu=places.per_gpu, use_gpus=places.gpus != ())


class RayExecutor:
    """Keeps one actor per slot on the nodes of a cluster.

    Args:
        cluster: `auto` for the cluster that this machine belongs to, or ray://HOST:PORT.
        logs: The folder for one log file per slot.
        workers: Workers on processors; None for as many as the cluster has room for, and more when nodes join it.
        per_gpu: Workers per GPU.
        use_gpus: Uses GPUs, if there are any.
        trials_per_worker: As `LocalExecutor` has it.
        command: Starts a worker on a node; the usual one unless given.
    """

    def __init__(
        self,
        cluster: str,
        logs: Path,
        *,
        workers: int | None = None,
        per_gpu: int = 1,
        use_gpus: bool = True,
        trials_per_worker: int = 50,
        command: Sequence[str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._logs = logs
        on_gpus = use_gpus and workers is None
        self._pool = ActorPool(ActorSettings(workers, per_gpu, on_gpus, trials_per_worker, command))
        self._cargo: dict[tuple[Path, bytes], Cargo] = {}
        self._runs = itertools.count()

    @property
    def slots(self) -> int:
        return len(self._pool.slots)

    def start(self) -> None:
        """Connects unless it is connected, and waits a while for the nodes to answer.

        Raises:
            SettingError: Ray is not installed, or there is no such cluster.
        """
        if not self._pool.slots:
            self._pool.connect(self._cluster)
        self._pool.greet_all(READY_PATIENCE_S)

    @connected()
    def discover(self, task: DiscoveryTask) -> Discovered:
        errors = self._pool.ray.exceptions
        while True:
            slot = self._pool.ready_slot()
            try:
                walked: SpaceWalked = self._pool.ray.get(slot.actor.discover.remote(task, self._cargo_of(task)))
                break
            except errors.RayActorError:
                self._pool.renew(slot)
            except errors.RayError as error:
                raise ApertuneError(f"the node {slot.host} cannot discover the space: {one_line(error)}") from None
        if walked.space is None:
            raise (SpaceError if walked.user_error else ApertuneError)(walked.reason)
        return walked.space

    def free_slots(self) -> int:
        return sum(slot.ready and slot.task is None for slot in self._pool.slots)

    @connected()
    def submit(self, task: TrialTask) -> None:
        slot = next(slot for slot in self._pool.slots if slot.ready and slot.task is None)
        slot.task, slot.killed_because, slot.kill_by, slot.run = task, "", float("inf"), next(self._runs)
        slot.answer = slot.actor.run.remote(slot.run, task, self._cargo_of(task), read_folder(task.folder))

    @connected()
    def wait(self, timeout_s: float) -> list[TrialEvent]:
        self._pool.grow()
        events: list[TrialEvent] = self._end_those_that_do_not()
        for slot in self._pool.slots:
            if slot.unwritten is not None:
                events += self._landed(slot, slot.unwritten)
        if events:
            return events
        for slot in self._pool.answered(timeout_s):
            if slot.ready:
                events += self._receive(slot)
            else:
                self._pool.greet(slot, starting=False)
        return events

    @connected()
    def stop(self, request: StopRequest) -> None:
        slot = self._slot_of(request.number)
        if slot is not None:
            slot.actor.stop.remote(slot.run, request)

    @connected()
    def kill(self, number: int, reason: str) -> None:
        slot = self._slot_of(number)
        if slot is not None:
            slot.killed_because = reason
            slot.kill_by = min(slot.kill_by, time.monotonic() + KILL_PATIENCE_S)
            slot.actor.kill.remote(slot.run, number, reason)

    def close(self) -> None:
        self._pool.close()

    def hosts(self) -> list[str]:
        """Returns the node of each slot; empty for a slot that Ray has not found room for."""
        return [slot.host for slot in self._pool.slots]

    def _receive(self, slot: Slot) -> list[TrialEvent]:
        try:
            batch: Batch = self._pool.ray.get(slot.answer)
        except self._pool.ray.exceptions.RayError as error:
            return [self._lost(slot, error)]
        slot.answer = None
        return self._landed(slot, batch)

    def _landed(self, slot: Slot, batch: Batch) -> list[TrialEvent]:
        """Writes the files of a batch before it passes on the events. On a full disk, batch and worker wait."""
        task = slot.task
        assert task is not None
        try:
            put_back(batch, task, self._cargo_of(task).rows, self._logs / f"worker-{slot.number}.log")
        except OSError as error:
            if slot.unwritten is None:
                logger.warning("trial %d: what it left cannot be written: %s", task.number, error)
            slot.unwritten = batch
            return []
        slot.unwritten = None
        if batch.ended:
            slot.task = None
        else:
            slot.answer = slot.actor.next_events.remote()
        return list(batch.events)

    def _lost(self, slot: Slot, error: Exception) -> TrialLost:
        """Ends the trial of an actor that is gone, or whose node is: whatever it may still do is not heard."""
        task, host, killed_because = slot.task, slot.host, slot.killed_because
        assert task is not None
        self._pool.renew(slot)
        return TrialLost(task.number, killed_because) if killed_because else lost_trial(task.number, host, error)

    def _end_those_that_do_not(self) -> list[TrialEvent]:
        """Ends actors that have not ended a trial that was to be killed.

        An actor whose last answer could not be written is asked nothing more, so its trial is reported as lost here,
        and the answer is dropped.
        """
        events: list[TrialEvent] = []
        now = time.monotonic()
        for slot in self._pool.slots:
            if slot.task is None or now <= slot.kill_by:
                continue
            slot.kill_by = float("inf")
            if slot.unwritten is None:
                self._pool.ray.kill(slot.actor)
            else:
                events.append(TrialLost(slot.task.number, slot.killed_because))
                self._pool.renew(slot)
        return events

    def _slot_of(self, number: int) -> Slot | None:
        return next((slot for slot in self._pool.slots if slot.task is not None and slot.task.number == number), None)

    def _cargo_of(self, task: TrialTask | DiscoveryTask) -> Cargo:
        """The data that the task needs, put into Ray's object store the first time."""
        from .actor import Cargo

        views = (isinstance(task, TrialTask) and task.rounds) or (task.view,)
        rows = rows_of(views)
        key = (task.view.folder, rows.tobytes())
        if key not in self._cargo:
            shipment, parts = pack(task.view, rows)
            tickets = tuple(self._pool.ray.put(part) for part in parts)
            self._cargo[key] = Cargo(replace(shipment, parts=tickets), rows)
        return self._cargo[key]
