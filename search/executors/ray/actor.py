"""The Ray actor of one slot: it keeps a worker process on its node and passes on its events.

The worker is the same as on one machine (`LocalExecutor`), so it is replaced, killed and measured in the same way,
and a framework that crashes takes no part of Ray with it. Imported only where Ray is installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import ray

from ....datasets.base import Rows
from ....datasets.cache.entries import cache_folder
from ....errors import ApertuneError, SpaceError
from ...messages import Discovered, DiscoveryTask, StopRequest, TrialEvent, TrialLost, TrialResult, TrialTask
from ..devices import SHARERS_VARIABLE
from ..environments import on_this_machine
from ..local.executor import WORKER_COMMAND, LocalExecutor
from .folder_mirror import FolderChange, FolderWatch, write_change
from .returning import Batch
from .shipping import Part, Shipment, land, moved
from .versions import installed_versions

CONTROL_GROUP = "control"
LOOK_EVERY_S = 1.0


@dataclass(frozen=True)
class Cargo:
    """The data of a task, and the rows in it."""

    shipment: Shipment
    rows: Rows


@dataclass(frozen=True)
class NodeFacts:
    """The node of an actor."""

    host: str
    versions: dict[str, str]
    """Versions of Python and of the packages that must agree."""


@dataclass(frozen=True)
class SpaceWalked:
    """The answer to a discovery: the space, or why there is none."""

    space: Discovered | None = None
    reason: str = ""
    user_error: bool = False


class TrialActor:
    """One slot on a node.

    `run` and `next_events` wait for the worker; the methods of the control group answer meanwhile, or even before. So
    each names the run it means, by a number that grows: a call that comes before the worker has the trial is kept for
    it, and one that comes after its end does not reach a later attempt at the same trial.

    Args:
        environment: Variables of the worker, as `LocalExecutor` has them; without a device, Ray's own choice of GPU
            holds.
        trials_per_worker: As `LocalExecutor` has it.
        bytes_per_s: Bytes per second that the trial's folder may send on average while the trial runs.
        command: Starts a worker; the usual one unless given.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        trials_per_worker: int,
        bytes_per_s: float,
        command: Sequence[str] | None = None,
    ) -> None:
        self._scratch = _own_folder()
        self._bytes_per_s = bytes_per_s
        self._executor = LocalExecutor(
            [on_this_machine(environment)],
            self._scratch / "logs",
            trials_per_worker=trials_per_worker,
            sharing_memory=int(environment[SHARERS_VARIABLE]),
            command=command or WORKER_COMMAND,
        )
        self._folder = self._scratch
        self._watch: FolderWatch | None = None
        self._logs_read: dict[Path, int] = {}
        self._handing_over = threading.Lock()
        self._handed_over = -1
        self._early_stops: dict[int, StopRequest] = {}
        self._early_kills: dict[int, str] = {}
        self._executor.start()

    def facts(self) -> NodeFacts:
        return NodeFacts(platform.node(), installed_versions())

    def discover(self, task: DiscoveryTask, cargo: Cargo) -> SpaceWalked:
        view = moved(task.view, land(cargo.shipment, _fetch), cargo.rows)
        try:
            # A rehearsal's notes are kept on the node, where its worker runs.
            rehearsals = None if task.rehearsals is None else self._scratch / "rehearsals"
            return SpaceWalked(self._executor.discover(replace(task, view=view, rehearsals=rehearsals)))
        except ApertuneError as error:
            return SpaceWalked(reason=error.message, user_error=isinstance(error, SpaceError))

    def run(self, run: int, task: TrialTask, cargo: Cargo, left: FolderChange) -> Batch:
        """Starts a trial, with the files that an earlier attempt left, and waits for its first events."""
        data = land(cargo.shipment, _fetch)
        self._folder = self._scratch / "trials" / str(task.number)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        write_change(self._folder, left)
        self._watch = FolderWatch(self._folder, self._bytes_per_s)
        rounds = tuple(moved(view, data, cargo.rows) for view in task.rounds)
        view = moved(task.view, data, cargo.rows)
        killed_because = self._hand_over(run, replace(task, view=view, rounds=rounds, folder=self._folder))
        if killed_because is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return Batch((TrialLost(task.number, killed_because),))
        return self.next_events()

    def _hand_over(self, run: int, task: TrialTask) -> str | None:
        """Gives the worker the trial, and a stop request that came meanwhile; a trial to be killed is not begun.

        Returns:
            Why it was to be killed; None for a trial that is begun.
        """
        with self._handing_over:
            self._handed_over = run
            request, killed_because = self._early_stops.pop(run, None), self._early_kills.pop(run, None)
            if killed_because is None:
                self._executor.submit(task)
                if request is not None:
                    self._executor.stop(request)
        return killed_because

    def next_events(self) -> Batch:
        """Waits for events. The last batch of a trial brings all that it left."""
        events: list[TrialEvent] = []
        while not events:
            events = self._executor.wait(LOOK_EVERY_S)
        assert self._watch is not None
        ended = isinstance(events[-1], TrialResult | TrialLost)
        change = self._watch.changes(last=ended)
        if ended:
            shutil.rmtree(self._folder, ignore_errors=True)
        return Batch(tuple(events), change, self._new_log())

    @ray.method(concurrency_group=CONTROL_GROUP)  # type: ignore[untyped-decorator]  # Ray is not always installed
    def stop(self, run: int, request: StopRequest) -> None:
        with self._handing_over:
            if run > self._handed_over:
                self._early_stops[run] = request
            elif run == self._handed_over:
                self._executor.stop(request)

    @ray.method(concurrency_group=CONTROL_GROUP)  # type: ignore[untyped-decorator]  # Ray is not always installed
    def kill(self, run: int, number: int, reason: str) -> None:
        with self._handing_over:
            if run > self._handed_over:
                self._early_kills[run] = reason
            elif run == self._handed_over:
                self._executor.kill(number, reason)

    @ray.method(concurrency_group=CONTROL_GROUP)  # type: ignore[untyped-decorator]  # Ray is not always installed
    def close(self) -> None:
        self._executor.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _new_log(self) -> bytes:
        """The output of this slot's workers since the last call, one worker after the other."""
        added = []
        for log in sorted((self._scratch / "logs").glob("worker-*.log")):
            with log.open("rb") as file:
                file.seek(self._logs_read.get(log, 0))
                added.append(file.read())
                self._logs_read[log] = file.tell()
        return b"".join(added)


def _fetch(ticket: object) -> Part:
    part: Part = ray.get(ticket)
    return part


def _own_folder() -> Path:
    """A folder for this actor, named by its process; those of actors that are gone are removed."""
    parent = cache_folder() / "cluster" / platform.node()
    parent.mkdir(parents=True, exist_ok=True)
    for folder in parent.iterdir():
        process_id = folder.name.partition("-")[0]
        if process_id.isdigit() and not psutil.pid_exists(int(process_id)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
