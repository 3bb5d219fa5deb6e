"""A Ray cluster of several nodes on this machine, for tests that have only a loopback interface.

Ray listens on the machine's own address even when told 127.0.0.1, so `test_executor_cluster.py` runs these tests in a
network namespace.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

CLUSTER_TESTS = "tests/search/executors/ray/test_executor_cluster.py"
STORE_BYTES = 100 * 2**20


def skip_reason() -> str:
    """Returns the reason why no cluster can be started here, or an empty string when one can."""
    if importlib.util.find_spec("ray") is None:
        return f"Ray is not installed; run: uv run --extra ray pytest -m slow {CLUSTER_TESTS}"
    if set(psutil.net_if_addrs()) != {"lo"}:
        return "runs within test_executor_cluster.py, in a network namespace"
    return ""


@contextmanager
def ray_cluster(nodes: int, processors: int = 1, client_port: int | None = None) -> Iterator[Any]:
    """Runs a head without processors and `nodes` nodes with some; `RAY_ADDRESS` is the cluster's meanwhile."""
    from ray.cluster_utils import Cluster

    head: dict[str, Any] = {"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    if client_port is not None:
        head["ray_client_server_port"] = client_port
    with tempfile.TemporaryDirectory() as cache, environment(cache):
        cluster = Cluster(initialize_head=True, head_node_args=head)
        os.environ["RAY_ADDRESS"] = cluster.address
        try:
            for _ in range(nodes):
                cluster.add_node(num_cpus=processors, object_store_memory=STORE_BYTES)
            yield cluster
        finally:
            cluster.shutdown()


@contextmanager
def environment(cache: str) -> Iterator[None]:
    """Sets what Ray's processes inherit: a cache that belongs to no test, and epochs long enough to kill a node in."""
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_BACKEND_LOG_LEVEL": "fatal",
        "APERTUNE_CACHE": cache,
        "APERTUNE_PRETEND_SECONDS": "0.3",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        patch.setenv("RAY_ADDRESS", "")
        yield
