"""The worker process: imports the framework once, then trains one task after another.

Started by `LocalExecutor` as `python -m apertune.search.training.worker FD`, with its device and threads already in
the environment. It ends when told to, when its supervisor is gone, and after any error (a fresh one replaces it).
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from ...logs import log_to_standard_error
from ...processes import leave
from ..messages import (
    Discovered,
    DiscoveryFailed,
    DiscoveryTask,
    RunTrial,
    StopRequest,
    WorkerReady,
    WorkerTask,
)
from .lean_imports import left_out

logger = logging.getLogger(__name__)

DiscoverSpace = Callable[[DiscoveryTask], Discovered | DiscoveryFailed]

# The kernel, short of memory, ends a worker rather than the supervisor or the user's desktop.
OUT_OF_MEMORY_SCORE = "500"
SUPERVISOR_GONE_STATUS = 3


class Inbox:
    """Reads the supervisor's messages in a thread of its own, so that a stop request is seen between two batches."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: queue.Queue[WorkerTask | None] = queue.Queue()
        self._stops: dict[int, StopRequest] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def next_task(self) -> WorkerTask | None:
        """Waits for a task; None is the order to end."""
        return self._tasks.get()

    def stop_requested(self, number: int) -> StopRequest | None:
        return self._stops.get(number)

    def _read(self) -> None:
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, StopRequest):
                    self._stops[message.number] = message
                else:
                    self._tasks.put(message)
        except (EOFError, OSError):
            # Without a supervisor nobody wants the result; the checkpoint lets the next one go on.
            os._exit(SUPERVISOR_GONE_STATUS)


def main() -> None:
    """Runs the worker that trains. The framework is imported before the first task, which may come later."""
    with left_out():
        from .trial import run_trial

    set_aside_imports()
    serve(run_trial, discover)


def set_aside_imports() -> None:
    """Spares later garbage collections the walk through a framework's modules, most of a second after each trial."""
    gc.collect()
    gc.freeze()


def serve(run_trial: RunTrial, discover_space: DiscoverSpace) -> None:
    """Answers tasks until told to end; never returns.

    Args:
        run_trial: Trains a trial; tests and benchmarks give a function that only pretends to.
        discover_space: Walks through a space.
    """
    log_to_standard_error()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OUT_OF_MEMORY_SCORE)
    connection = Connection(int(sys.argv[1]))
    inbox = Inbox(connection)
    connection.send(WorkerReady())
    while (task := inbox.next_task()) is not None:
        if isinstance(task, DiscoveryTask):
            connection.send(discover_space(task))
            continue
        result = run_trial(task, connection.send, partial(inbox.stop_requested, task.number))
        connection.send(result)
        if result.ends_worker:
            break
    connection.close()
    leave()


def discover(task: DiscoveryTask) -> Discovered | DiscoveryFailed:
    """Walks through a space, and rehearses one of the user's, or measures networks of one that is known.

    An exception that its code raises is an answer, too.
    """
    from ... import spaces
    from ...errors import UserError
    from ...text import named_line
    from .additions import receive_sent

    try:
        receive_sent(task.space)
        space = spaces.load(task.space.name, task.view.spec(), recipe=task.space.recipe, options=task.space.options)
        if task.within is not None:
            from .limits import bring_within

            return bring_within(space, task.view, task.within)
        found = spaces.discover(space)
        if task.rehearsals is None or ":" not in task.space.name:
            return Discovered(found)
        from .rehearsal import rehearse

        return Discovered(found, rehearse(space, found, task))
    except UserError as error:
        return DiscoveryFailed(error.message, user_error=True)
    except Exception as error:
        logger.exception("the space cannot be built")
        return DiscoveryFailed(named_line(error, most=500), user_error=False)


if __name__ == "__main__":
    main()
