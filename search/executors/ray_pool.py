"""The actors of a search on Ray: asked for, waited for, replaced when they are lost."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import ApertuneError
from ..messages import TrialTask
from .ray_connection import HeadWatch, actor_class, check_versions, connect, one_line
from .ray_slots import count_slots

if TYPE_CHECKING:
    from .ray_actor import NodeFacts

ROOM_PATIENCE_S = 900.0
COUNT_NODES_EVERY_S = 20.0
CLOSING_TIMEOUT_S = 2.0
# What all running trials together may send of checkpoints: half of a gigabit network.
CHECKPOINT_BYTES_PER_S = 60e6


@dataclass
class Slot:
    """An actor, or one that Ray has still to find room for. answer: what is awaited of it; trial: its task."""

    number: int
    actor: Any = None
    answer: Any = None
    ready: bool = False
    host: str = ""
    task: TrialTask | None = None
    killed_because: str = ""
    kill_by: float = float("inf")


@dataclass(frozen=True)
class ActorSettings:
    """How many actors, and what each is made with; as `RayExecutor` has them."""

    workers: int | None
    per_gpu: int
    use_gpus: bool
    trials_per_worker: int
    command: Sequence[str] | None


class ActorPool:
    """One actor a slot. `connect` comes first; it raises SettingError without Ray or without a cluster."""

    def __init__(self, settings: ActorSettings) -> None:
        self.slots: list[Slot] = []
        self._settings = settings
        self._counted = 0.0

    def connect(self, cluster: str) -> None:
        self.ray = connect(cluster)
        self._actor_class = actor_class()
        self._head = HeadWatch(cluster, self.ray)
        self.grow()

    def grow(self) -> None:
        """Asks for an actor in every place that the cluster's nodes have, those that joined since included."""
        settings, now = self._settings, time.monotonic()
        if self.slots and (settings.workers is not None or now - self._counted < COUNT_NODES_EVERY_S):
            return
        self._counted = now
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        wanted, shape = count_slots(nodes, settings.workers, settings.per_gpu, use_gpus=settings.use_gpus)
        if not self.slots:
            self._shape, self._bytes_per_s = shape, CHECKPOINT_BYTES_PER_S / wanted
        for number in range(len(self.slots), wanted):
            self.slots.append(Slot(number))
            self.renew(self.slots[-1])

    def renew(self, slot: Slot) -> None:
        """Asks Ray for a new actor in the slot; the old one, if it lives after all, is ended with what it has."""
        if slot.actor is not None:
            with contextlib.suppress(Exception):
                self.ray.kill(slot.actor)
        slot.task, slot.ready, slot.host = None, False, ""
        shape, settings = self._shape, self._settings
        made = self._actor_class.options(num_gpus=shape.gpus, num_cpus=shape.processors)
        slot.actor = made.remote(shape.environment(), settings.trials_per_worker, self._bytes_per_s, settings.command)
        slot.answer = slot.actor.facts.remote()

    def ready_slot(self) -> Slot:
        """Waits until some node has room for an actor. Raises ApertuneError when none has for long."""
        deadline = time.monotonic() + ROOM_PATIENCE_S
        while not any(slot.ready for slot in self.slots):
            if time.monotonic() > deadline:
                raise ApertuneError(
                    f"no node of the Ray cluster had room for a worker ({self._shape.words()}) for "
                    f"{ROOM_PATIENCE_S / 60:g} minutes; `ray status` tells what takes it"
                )
            for slot in self.answered(1.0):
                self.greet(slot)
        return next(slot for slot in self.slots if slot.ready)

    def greet_all(self, timeout_s: float) -> None:
        """Waits for every actor that was asked for, at most so long."""
        deadline = time.monotonic() + timeout_s
        while any(not slot.ready for slot in self.slots) and (left := deadline - time.monotonic()) > 0:
            for slot in self.answered(left):
                self.greet(slot)

    def greet(self, slot: Slot) -> None:
        """Takes a new actor into use. Raises SettingError when its node has other versions than this machine."""
        try:
            facts: NodeFacts = self.ray.get(slot.answer)
        except self.ray.exceptions.RayActorError:
            self.renew(slot)
            return
        except self.ray.exceptions.RayError as error:
            raise ApertuneError(f"a node of the Ray cluster cannot run workers: {one_line(error)}") from None
        check_versions(facts.host, facts.versions)
        slot.answer, slot.ready, slot.host = None, True, facts.host

    def answered(self, timeout_s: float) -> list[Slot]:
        """Waits for the first actors that answer, at most so long. Raises ApertuneError when the head is gone."""
        self._head.look()
        awaited = {slot.answer: slot for slot in self.slots if slot.answer is not None}
        if not awaited:
            time.sleep(timeout_s)
            return []
        ready, rest = self.ray.wait(list(awaited), num_returns=1, timeout=timeout_s)
        if ready and rest:
            ready += self.ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [awaited[answer] for answer in ready]

    def close(self) -> None:
        """Ends all actors; a cluster that is gone has nothing left to end."""
        if not self.slots:
            return
        slots, self.slots = self.slots, []
        with contextlib.suppress(Exception):
            if closing := [slot.actor.close.remote() for slot in slots if slot.ready]:
                self.ray.wait(closing, num_returns=len(closing), timeout=CLOSING_TIMEOUT_S)
            for slot in slots:
                self.ray.kill(slot.actor)
        with contextlib.suppress(Exception):
            self.ray.shutdown()
