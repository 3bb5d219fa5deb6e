"""Trials on a Ray cluster: one actor a slot, each with a GPU, a share of one, or some processors.

A trial's data goes to a node once, and all that a trial leaves comes back to the supervisor's own folder while it
runs, so a node may be lost at any time: its trials are told as lost, and go on elsewhere from what came back. Ray is
asked for a new actor in place of a lost one; it starts as soon as some node has room.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ApertuneError, SpaceError
from ..messages import DiscoveryTask, StopRequest, TrialEvent, TrialLost, TrialTask
from .folder_mirror import read_folder
from .ray_connection import actor_class, check_versions, connect, lost_trial, one_line
from .ray_slots import count_slots
from .returning import Batch, put_back
from .shipping import pack, rows_of

if TYPE_CHECKING:
    from .ray_actor import Cargo, NodeFacts

logger = logging.getLogger(__name__)

READY_PATIENCE_S = 30.0
ROOM_PATIENCE_S = 900.0
COUNT_NODES_EVERY_S = 20.0
KILL_PATIENCE_S = 10.0
CLOSING_TIMEOUT_S = 5.0
# What all running trials together may send of checkpoints: half of a gigabit network.
CHECKPOINT_BYTES_PER_S = 60e6


@dataclass
class Slot:
    """An actor, or one that Ray has still to find room for. answer: what is awaited of it; trial: its task."""

    number: int
    actor: Any
    answer: Any
    ready: bool = False
    host: str = ""
    task: TrialTask | None = None
    killed_because: str = ""
    kill_by: float = float("inf")


class RayExecutor:
    """cluster: `auto` for the one this machine belongs to, or ray://HOST:PORT. logs: for one log file a slot.

    workers: how many on processors; None: as many as the cluster has room for, and more when nodes join it.
    per_gpu: workers on each GPU. use_gpus: whether to use any. command: what starts a worker on a node.
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
        self._workers = workers
        self._per_gpu = per_gpu
        self._use_gpus = use_gpus and workers is None
        self._trials_per_worker = trials_per_worker
        self._command = command
        self._slots: list[Slot] = []
        self._cargo: dict[tuple[Path, bytes], Cargo] = {}
        self._unwritten: list[tuple[Slot, Batch]] = []
        self._counted = 0.0

    @property
    def slots(self) -> int:
        return len(self._slots)

    def start(self) -> None:
        """Connects, and waits a while for the nodes to answer. Raises SettingError without Ray or without a cluster."""
        self._ray = connect(self._cluster)
        self._count_nodes()
        self._look_for_ready(READY_PATIENCE_S, all_of_them=True)

    def discover(self, task: DiscoveryTask) -> str:
        deadline = time.monotonic() + ROOM_PATIENCE_S
        while not any(slot.ready for slot in self._slots):
            if time.monotonic() > deadline:
                raise ApertuneError(
                    f"no node of the Ray cluster had room for a worker ({self._shape.words()}) for "
                    f"{ROOM_PATIENCE_S / 60:g} minutes; `ray status` tells what takes it"
                )
            self._look_for_ready(1.0)
        slot = next(slot for slot in self._slots if slot.ready)
        try:
            walked = self._ray.get(slot.actor.discover.remote(task, self._cargo_of(task)))
        except self._ray.exceptions.RayError as error:
            self._renew(slot)
            raise ApertuneError(f"the node {slot.host} could not discover the space: {one_line(error)}") from None
        if walked.reason:
            raise (SpaceError if walked.user_error else ApertuneError)(walked.reason)
        return str(walked.space)

    def free_slots(self) -> int:
        return sum(slot.ready and slot.task is None for slot in self._slots)

    def submit(self, task: TrialTask) -> None:
        slot = next(slot for slot in self._slots if slot.ready and slot.task is None)
        slot.task, slot.killed_because, slot.kill_by = task, "", float("inf")
        slot.answer = slot.actor.run.remote(task, self._cargo_of(task), read_folder(task.folder))

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        self._count_nodes()
        self._end_those_that_do_not()
        events: list[TrialEvent] = []
        unwritten, self._unwritten = self._unwritten, []
        for slot, batch in unwritten:
            events += self._landed(slot, batch)
        if events:
            return events
        for slot in self._answered(timeout_s):
            events += self._receive(slot) if slot.ready else self._greeted(slot)
        return events

    def stop(self, request: StopRequest) -> None:
        slot = self._slot_of(request.number)
        if slot is not None:
            slot.actor.stop.remote(request)

    def kill(self, number: int, reason: str) -> None:
        slot = self._slot_of(number)
        if slot is not None:
            slot.killed_because, slot.kill_by = reason, time.monotonic() + KILL_PATIENCE_S
            slot.actor.kill.remote(number, reason)

    def close(self) -> None:
        if not self._slots:
            return
        slots, self._slots = self._slots, []
        with contextlib.suppress(Exception):  # a cluster that is gone has nothing left to end
            if closing := [slot.actor.close.remote() for slot in slots if slot.ready]:
                self._ray.wait(closing, num_returns=len(closing), timeout=CLOSING_TIMEOUT_S)
            for slot in slots:
                self._ray.kill(slot.actor)
        with contextlib.suppress(Exception):
            self._ray.shutdown()

    def hosts(self) -> list[str]:
        """The node that each slot is on; empty for one that Ray has not found room for."""
        return [slot.host for slot in self._slots]

    def _count_nodes(self) -> None:
        """Asks for an actor in every place that the cluster's nodes have, those that joined since included."""
        now = time.monotonic()
        if self._slots and (self._workers is not None or now - self._counted < COUNT_NODES_EVERY_S):
            return
        self._counted = now
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        wanted, shape = count_slots(nodes, self._workers, self._per_gpu, use_gpus=self._use_gpus)
        if not self._slots:
            self._shape = shape
            self._make = actor_class().options(num_gpus=shape.gpus, num_cpus=shape.processors)
            self._upload = CHECKPOINT_BYTES_PER_S / max(1, wanted)
        for number in range(len(self._slots), wanted):
            slot = Slot(number, None, None)
            self._slots.append(slot)
            self._renew(slot)

    def _renew(self, slot: Slot) -> None:
        """Asks Ray for a new actor in the slot; the old one, if it lives after all, is ended with what it has."""
        if slot.actor is not None:
            with contextlib.suppress(Exception):
                self._ray.kill(slot.actor)
        slot.task, slot.ready, slot.host = None, False, ""
        slot.actor = self._make.remote(self._shape.environment(), self._trials_per_worker, self._upload, self._command)
        slot.answer = slot.actor.facts.remote()

    def _look_for_ready(self, timeout_s: float, *, all_of_them: bool = False) -> None:
        deadline = time.monotonic() + timeout_s
        while any(not slot.ready for slot in self._slots) and (left := deadline - time.monotonic()) > 0:
            for slot in self._answered(left):
                self._greeted(slot)
            if not all_of_them:
                return

    def _answered(self, timeout_s: float) -> list[Slot]:
        """Waits for the first slots whose actor has answered."""
        awaited = {slot.answer: slot for slot in self._slots if slot.answer is not None}
        if not awaited:
            time.sleep(timeout_s)
            return []
        ready, rest = self._ray.wait(list(awaited), num_returns=1, timeout=timeout_s)
        if ready and rest:
            ready += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [awaited[answer] for answer in ready]

    def _greeted(self, slot: Slot) -> list[TrialEvent]:
        """Takes a new actor into use. Raises SettingError when its node has other versions than this machine."""
        try:
            facts: NodeFacts = self._ray.get(slot.answer)
        except self._ray.exceptions.RayActorError:
            self._renew(slot)
            return []
        except self._ray.exceptions.RayError as error:
            raise ApertuneError(f"a node of the Ray cluster cannot run workers: {one_line(error)}") from None
        check_versions(facts.host, facts.versions)
        slot.answer, slot.ready, slot.host = None, True, facts.host
        return []

    def _receive(self, slot: Slot) -> list[TrialEvent]:
        try:
            batch: Batch = self._ray.get(slot.answer)
        except self._ray.exceptions.RayError as error:
            return self._lost(slot, error)
        slot.answer = None
        return self._landed(slot, batch)

    def _landed(self, slot: Slot, batch: Batch) -> list[TrialEvent]:
        """Writes what came before it tells of it. While the disk is full the batch waits, and its worker with it."""
        task = slot.task
        assert task is not None
        try:
            put_back(batch, task, self._cargo_of(task).rows, self._logs / f"worker-{slot.number}.log")
        except OSError as error:
            logger.warning("trial %d: what it left cannot be written: %s", task.number, error)
            self._unwritten.append((slot, batch))
            return []
        if batch.ended:
            slot.task = None
        else:
            slot.answer = slot.actor.next_events.remote()
        return list(batch.events)

    def _lost(self, slot: Slot, error: Exception) -> list[TrialEvent]:
        """The actor or its node is gone: whatever it may still do is not heard, so its trial ends here."""
        task, host, killed_because = slot.task, slot.host, slot.killed_because
        assert task is not None
        self._renew(slot)
        if killed_because:
            return [TrialLost(task.number, killed_because)]
        return [lost_trial(task.number, host, error)]

    def _end_those_that_do_not(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.task is not None and now > slot.kill_by:
                slot.kill_by = float("inf")
                self._ray.kill(slot.actor)

    def _slot_of(self, number: int) -> Slot | None:
        return next((slot for slot in self._slots if slot.task is not None and slot.task.number == number), None)

    def _cargo_of(self, task: TrialTask | DiscoveryTask) -> Cargo:
        """The data that the task needs, put into Ray's object store when first asked for."""
        from .ray_actor import Cargo

        views = (isinstance(task, TrialTask) and task.rounds) or (task.view,)
        rows = rows_of(views)
        key = (task.view.folder, rows.tobytes())
        if key not in self._cargo:
            shipment, parts = pack(task.view, rows)
            tickets = tuple(self._ray.put(part) for part in parts)
            self._cargo[key] = Cargo(replace(shipment, parts=tickets), rows)
        return self._cargo[key]
