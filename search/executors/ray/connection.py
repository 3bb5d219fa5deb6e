"""Connections to a Ray cluster, and words for whatever is wrong with it. Imports Ray only when asked to."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import tenacity

from ....errors import ApertuneError, MissingExtraError, SettingError
from ....quiet import nothing_on_standard_error
from ....text import last_line
from ...messages import TrialLost

CONNECT_ATTEMPTS = 5
CONNECT_AGAIN_AFTER_S = 1.0
HEAD_EVERY_S = 4.0
HEAD_PATIENCE_S = 20.0


def connect(cluster: str) -> ModuleType:
    """Connects this process to a cluster, and returns Ray.

    Args:
        cluster: `auto`, or ray://HOST:PORT.

    Raises:
        MissingExtraError: Ray is not installed.
        SettingError: There is no such cluster, or it runs another version of Ray.
    """
    # Otherwise Ray's own processes write their warnings to this one's standard error.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # An address that nobody answers at is given up after some seconds instead of minutes.
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")
    try:
        import ray
    except ImportError:
        raise MissingExtraError("--cluster", "ray") from None
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_no_server_process),
        stop=tenacity.stop_after_attempt(CONNECT_ATTEMPTS),
        wait=tenacity.wait_fixed(CONNECT_AGAIN_AFTER_S),
        reraise=True,
    )
    try:
        attempts(_init, ray, cluster)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SettingError(_unreachable(cluster, error)) from None
    return ray  # type: ignore[no-any-return]  # Ray is not always installed


def _init(ray: ModuleType, cluster: str) -> None:
    try:
        # Ray's compiled parts write to standard error whatever they are told.
        with nothing_on_standard_error(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(cluster, log_to_driver=False, configure_logging=False, namespace="apertune")
    except BaseException:
        ray.shutdown()  # a half-made connection would stand in the way of the next
        raise


def _no_server_process(error: BaseException) -> bool:
    """The process that Ray forks for each client now and then dies at its start (ray-project/ray issue 63202)."""
    return isinstance(error, RuntimeError | ConnectionError) and "client server failed" in str(error)


class HeadWatch:
    """Checks now and then that the cluster's head node answers: without it, Ray ends this process without a word."""

    def __init__(self, cluster: str, ray: ModuleType) -> None:
        address = ray.get_runtime_context().gcs_address if cluster == "auto" else cluster.removeprefix("ray://")
        host, _, port = str(address).rpartition(":")
        self._address = host.strip("[]"), int(port)
        self._looked = self._answered = time.monotonic()

    def look(self) -> None:
        """Checks the head node if the last check was a while ago.

        Raises:
            ApertuneError: The head node has been silent for long.
        """
        now = time.monotonic()
        if now - self._looked < HEAD_EVERY_S:
            return
        self._looked = now
        try:
            socket.create_connection(self._address, HEAD_EVERY_S / 2).close()
            self._answered = time.monotonic()
        except OSError as error:
            if now - self._answered > HEAD_PATIENCE_S:
                raise ApertuneError(
                    f"the head node of the Ray cluster, {self._address[0]}:{self._address[1]}, does not answer "
                    f"({error}); once it does, the same command goes on with the study"
                ) from None


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """Turns the ConnectionError that many of Ray's calls may raise into an ApertuneError."""
    try:
        yield
    except ConnectionError as error:
        raise ApertuneError(
            f"the connection to the Ray cluster was lost ({one_line(error)}); the same command goes on with the study"
        ) from None


def actor_class() -> Any:
    """Returns `TrialActor` as Ray wants it. Ray does not restart a lost one: the supervisor decides what to do."""
    import ray

    from .actor import CONTROL_GROUP, TrialActor

    return ray.remote(concurrency_groups={CONTROL_GROUP: 2}, max_concurrency=1, max_restarts=0)(TrialActor)


def lost_trial(number: int, host: str, error: Exception) -> TrialLost:
    """Returns the event for a trial whose actor answered with an error of Ray's.

    Args:
        number: The trial's number.
        host: The node it was on.
        error: The error.
    """
    from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

    if isinstance(error, RayTaskError) and not isinstance(error, RayActorError):
        return TrialLost(number, f"the node {host} cannot run it ({one_line(error)})")
    if isinstance(error, OutOfMemoryError):
        return TrialLost(number, f"Ray ended the worker on {host}, whose memory was full", out_of_memory=True)
    return TrialLost(number, f"the worker or its node {host} was lost", killed=True)


def never_began(error: Exception) -> bool:
    """Returns whether an actor ended because it cannot be made on its node; the next one would end in the same way."""
    return bool(getattr(error, "actor_init_failed", False))


def unfit(error: Exception) -> str:
    """Returns a line on a node that can make no actor, from Ray's traceback, which holds the address of the node."""
    address = re.search(r"\bip=([^,)\s]+)", str(error))
    node = f"the node {address[1]}" if address else "a node"
    # Our own errors say all in their words.
    line = re.sub(r"^apertune\.errors\.\w+: ", "", last_line(error))
    return f"{node} of the Ray cluster cannot run workers: {line}"[:300]


def one_line(error: Exception) -> str:
    """Returns the fault on a node in one line, without the traceback that Ray puts before it."""
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, ApertuneError):
        return str(cause)
    return f"{type(cause).__name__}: {last_line(cause)}"


def _unreachable(cluster: str, error: Exception) -> str:
    if cluster == "auto":
        return (
            "--cluster auto: this machine belongs to no running Ray cluster; start one with ray start --head, "
            "or name one with --cluster ray://HOST:10001"
        )
    reason = last_line(error)
    return f"--cluster {cluster}: cannot connect ({reason}); its port is the one of ray start --ray-client-server-port"
