"""The actors of a search on Ray: asked for, waited for, replaced when they are lost."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....errors import ApertuneError, SettingError
from ...messages import TrialTask
from .connection import HeadWatch, actor_class, connect, never_began, unfit
from .returning import Batch
from .slots import SlotShape, count_places, count_slots
from .versions import check_versions

if TYPE_CHECKING:
    from .actor import NodeFacts

logger = logging.getLogger(__name__)

ROOM_PATIENCE_S = 900.0
COUNT_NODES_EVERY_S = 20.0
CLOSING_TIMEOUT_S = 2.0
# Between attempts to have an actor where one could not be made: while other slots work, and while none does.
LEFT_OUT_S = 300.0
ASK_AGAIN_S = 5.0
# Rate at which all running trials together may send checkpoints: half of a gigabit network.
CHECKPOINT_BYTES_PER_S = 60e6


@dataclass
class Slot:
    """An actor, or a place that Ray has still to find room for."""

    number: int
    actor: Any = None
    answer: Any = None
    """The answer that is awaited from it."""

    ready: bool = False
    host: str = ""
    ask_at: float = float("inf")
    """Time to ask Ray for an actor, while there is none, in `time.monotonic` seconds."""

    task: TrialTask | None = None
    run: int = -1
    """The number of its present run; none comes twice."""

    unwritten: Batch | None = None
    """A batch that has come and could not be written yet."""

    killed_because: str = ""
    kill_by: float = float("inf")
    """Time to end the actor if it has not ended its trial, in `time.monotonic` seconds."""


@dataclass(frozen=True)
class ActorSettings:
    """The number of actors and the settings of each, as `RayExecutor` has them."""

    workers: int | None
    per_gpu: int
    use_gpus: bool
    trials_per_worker: int
    command: Sequence[str] | None


class ActorPool:
    """Keeps one actor per slot. `connect` comes first, and raises as the function of that name."""

    def __init__(self, settings: ActorSettings) -> None:
        self.slots: list[Slot] = []
        self._settings = settings
        self._counted = 0.0
        self._said: set[str] = set()
        self._shape = SlotShape(0.0, 1, 1)
        self._bytes_per_s = CHECKPOINT_BYTES_PER_S

    def connect(self, cluster: str) -> None:
        self.ray = connect(cluster)
        self._actor_class = actor_class()
        self._head = HeadWatch(cluster, self.ray)
        self.grow()

    def grow(self) -> None:
        """Asks for an actor in every place that the cluster's nodes have, those that joined since included.

        The first time, what there is decides what all of them ask for, and SettingError is raised when no GPU is
        there to share. Later only such places count: nodes may be lost, and with the last of them every place.
        """
        settings, now = self._settings, time.monotonic()
        if self.slots and (settings.workers is not None or now - self._counted < COUNT_NODES_EVERY_S):
            return
        self._counted = now
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if self.slots:
            wanted = count_places(nodes, self._shape)
        else:
            wanted, self._shape = count_slots(nodes, settings.workers, settings.per_gpu, use_gpus=settings.use_gpus)
            self._bytes_per_s = CHECKPOINT_BYTES_PER_S / wanted
        for number in range(len(self.slots), wanted):
            self.slots.append(Slot(number))
            self.renew(self.slots[-1])

    def renew(self, slot: Slot) -> None:
        """Asks Ray for a new actor in the slot; the old one, if it lives after all, is ended with what it has."""
        self._end(slot)
        shape, settings = self._shape, self._settings
        made = self._actor_class.options(num_gpus=shape.gpus, num_cpus=shape.processors)
        slot.actor = made.remote(shape.environment(), settings.trials_per_worker, self._bytes_per_s, settings.command)
        slot.answer = slot.actor.facts.remote()

    def _end(self, slot: Slot) -> None:
        if slot.actor is not None:
            with contextlib.suppress(Exception):
                self.ray.kill(slot.actor)
        slot.actor = slot.answer = slot.task = slot.unwritten = None
        slot.ready, slot.host, slot.ask_at = False, "", float("inf")

    def ready_slot(self) -> Slot:
        """Waits until some node has room for an actor.

        Raises:
            ApertuneError: None had room for long; besides, as `greet` raises.
        """
        deadline = time.monotonic() + ROOM_PATIENCE_S
        while not any(slot.ready for slot in self.slots):
            if time.monotonic() > deadline:
                raise ApertuneError(
                    f"no node of the Ray cluster had room for a worker ({self._shape.words()}) for "
                    f"{ROOM_PATIENCE_S / 60:g} minutes; `ray status` tells what takes it"
                )
            for slot in self.answered(1.0):
                self.greet(slot, starting=True)
        return next(slot for slot in self.slots if slot.ready)

    def greet_all(self, timeout_s: float) -> None:
        """Waits for every actor that was asked for, until the timeout; raises as `greet` does."""
        deadline = time.monotonic() + timeout_s
        while any(not slot.ready for slot in self.slots) and (left := deadline - time.monotonic()) > 0:
            for slot in self.answered(min(left, 1.0)):
                self.greet(slot, starting=True)

    def greet(self, slot: Slot, *, starting: bool) -> None:
        """Takes a new actor into use, or asks for another later if its node was lost.

        Args:
            slot: The slot of the actor.
            starting: The search has yet to begin, so that an unfit node is an error; later its slot is left out, and
                the others go on.

        Raises:
            ApertuneError: The node cannot make actors, at the start.
            SettingError: The node has other versions than this machine, at the start.
        """
        errors = self.ray.exceptions
        try:
            facts: NodeFacts = self.ray.get(slot.answer)
            check_versions(facts.host, facts.versions)
        except (errors.RayError, SettingError) as error:
            if isinstance(error, errors.RayActorError) and not never_began(error):
                self._ask_later(slot, ASK_AGAIN_S)
                return
            wrong = error if isinstance(error, SettingError) else ApertuneError(unfit(error))
            if starting:
                raise wrong from None
            self._leave_out(slot, str(wrong))
            return
        slot.answer, slot.ready, slot.host = None, True, facts.host

    def _leave_out(self, slot: Slot, reason: str) -> None:
        """Tries the slot again in a while: its node may be mended, or Ray may find room on another."""
        others_work = any(other.ready for other in self.slots)
        self._ask_later(slot, LEFT_OUT_S if others_work else ASK_AGAIN_S)
        if reason not in self._said:
            self._said.add(reason)
            logger.warning("%s; the search goes on with %s", reason, "the others" if others_work else "what comes back")

    def _ask_later(self, slot: Slot, pause_s: float) -> None:
        self._end(slot)
        slot.ask_at = time.monotonic() + pause_s

    def answered(self, timeout_s: float) -> list[Slot]:
        """Waits for the first actors that answer, until the timeout.

        Raises:
            ApertuneError: The head node is gone.
        """
        self._head.look()
        now = time.monotonic()
        for slot in self.slots:
            if now >= slot.ask_at:
                self.renew(slot)
        awaited = {slot.answer: slot for slot in self.slots if slot.answer is not None}
        if not awaited:
            time.sleep(timeout_s)
            return []
        ready, rest = self.ray.wait(list(awaited), num_returns=1, timeout=timeout_s)
        if ready and rest:
            ready += self.ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        return [awaited[answer] for answer in ready]

    def close(self) -> None:
        """Ends all actors; nothing is left to end in a cluster that is gone."""
        if not self.slots:
            return
        slots, self.slots = self.slots, []
        with contextlib.suppress(Exception):
            if closing := [slot.actor.close.remote() for slot in slots if slot.ready]:
                self.ray.wait(closing, num_returns=len(closing), timeout=CLOSING_TIMEOUT_S)
            for slot in slots:
                if slot.actor is not None:
                    self.ray.kill(slot.actor)
        with contextlib.suppress(Exception):
            self.ray.shutdown()
