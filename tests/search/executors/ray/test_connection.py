"""Detection of a Ray cluster that is gone; Ray itself is not needed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from apertune.errors import ApertuneError
from apertune.search.executors.ray import connection as ray_connection
from apertune.search.executors.ray.connection import HEAD_EVERY_S, HEAD_PATIENCE_S, HeadWatch, connected

NO_RAY = ModuleType("ray")


@pytest.fixture
def head() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    turned = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(ray_connection, "time", SimpleNamespace(monotonic=lambda: turned.now))
    return turned


def test_a_head_that_answers_is_not_given_up(head: socket.socket, clock: Any) -> None:
    """The head's port is checked every few seconds, and the search goes on while something listens there."""
    watch = HeadWatch(f"ray://127.0.0.1:{head.getsockname()[1]}", NO_RAY)
    head.settimeout(5)
    for _ in range(10):
        clock.now += HEAD_EVERY_S
        watch.look()
        head.accept()[0].close()
    watch.look()
    head.setblocking(False)
    with pytest.raises(BlockingIOError):
        head.accept()


def test_a_head_that_is_silent_for_long_ends_the_search(head: socket.socket, clock: Any) -> None:
    """A head whose port stays closed ends the search with a line that names it and says how to go on."""
    port = head.getsockname()[1]
    watch = HeadWatch(f"ray://127.0.0.1:{port}", NO_RAY)
    clock.now += HEAD_EVERY_S
    watch.look()
    head.close()
    answered = clock.now
    while clock.now + HEAD_EVERY_S <= answered + HEAD_PATIENCE_S:
        clock.now += HEAD_EVERY_S
        watch.look()
    clock.now += HEAD_EVERY_S
    with pytest.raises(
        ApertuneError,
        match=rf"the head node of the Ray cluster, 127\.0\.0\.1:{port}, does not answer \(.*refused\); once it does, "
        "the same command goes on with the study",
    ):
        watch.look()


@pytest.mark.parametrize("address", ["10.0.0.7:6379", "[fe80::1]:6379"])
def test_the_head_of_this_machines_cluster_is_asked_of_ray(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """With `--cluster auto` the head's address comes from Ray, including IPv6."""
    looked: list[tuple[str, int]] = []

    def create_connection(where: tuple[str, int], timeout_s: float) -> Any:
        looked.append(where)
        return SimpleNamespace(close=lambda: None)

    ray: Any = SimpleNamespace(get_runtime_context=lambda: SimpleNamespace(gcs_address=address))
    monkeypatch.setattr(ray_connection.socket, "create_connection", create_connection)
    monkeypatch.setattr(ray_connection, "HEAD_EVERY_S", 0.0)
    HeadWatch("auto", ray).look()
    assert looked == [(address.rpartition(":")[0].strip("[]"), 6379)]


def test_a_lost_connection_is_one_line() -> None:
    """Ray's error for a lost cluster becomes one line that says how to go on; other errors stay as they are."""
    line = r"^the connection to the Ray cluster was lost \(ConnectionError: gone\); the same command goes on with "
    with pytest.raises(ApertuneError, match=f"{line}the study$"), connected():
        raise ConnectionError("a traceback\n\n  gone\n")
    with pytest.raises(ValueError, match=r"^another$"), connected():
        raise ValueError("another")
