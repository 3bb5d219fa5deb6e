"""A real `mlflow models serve` on loopback, and requests to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def serving(model: str, log: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Runs a server and yields its address.

    Args:
        model: A folder or an MLflow model address.
    """
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            stdout=output,
            stderr=output,
            env={**environment, "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/ping", process, log.read_text)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def ask(server: str, document: object) -> tuple[int, Any]:
    """Returns the status, and the predictions or the reason why there are none."""
    request = urllib.request.Request(
        f"{server}/invocations", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.loads(reply.read())["predictions"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def wait_for(address: str, process: subprocess.Popen[Any], said: Callable[[], object]) -> None:
    """Waits, for at most two minutes, until a server answers at an address.

    Args:
        address: The address to ask.
        process: The server.
        said: Returns what it printed, to be shown if it ends.
    """
    for _ in range(240):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            assert process.poll() is None, said()
            time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
