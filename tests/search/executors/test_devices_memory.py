"""Memory for workers in a container that allows less than the machine has; the control groups' files are made up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.search.executors import devices

MB = 2**20
# The kernel's value in version 1 for no limit.
UNLIMITED = 9223372036854771712


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of control groups of a machine with 64 processors and 256,000 MB, 200,000 of them free."""
    memory = SimpleNamespace(total=256_000 * MB, available=200_000 * MB)
    monkeypatch.setattr(devices.psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(devices, "processors", lambda: 64)
    monkeypatch.setattr(devices, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(devices, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv(devices.SHARERS_VARIABLE, raising=False)
    return tmp_path


def second_version(folder: Path, allowed: object, used: int = 0, cached: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{allowed}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    (folder / "memory.events").write_text("oom 4\noom_kill 3\n")


def first_version(folder: Path, allowed: int, used: int = 0, cached: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{allowed}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"inactive_file 7\ntotal_inactive_file {cached}\n")
    (folder / "memory.oom_control").write_text("under_oom 0\noom_kill 2\n")


def test_a_container_of_4_gb_starts_as_many_workers_as_it_holds(machine: Path) -> None:
    """The container's limit counts, less the memory that cannot be freed, not the large machine it runs on."""
    (machine / "own").write_text("0::/\n")
    second_version(machine / "groups", 4000 * MB, used=1500 * MB, cached=600 * MB)
    assert devices.memory_mb() == (4000, 3100)
    assert devices.default_cpu_workers() == 2
    assert devices.fits_on_device(int(0.34 * 3100 * MB))
    assert not devices.fits_on_device(int(0.36 * 3100 * MB))


def test_the_narrowest_of_all_groups_around_counts(machine: Path) -> None:
    """The group with the least memory left counts: a pod's limit also holds for its containers."""
    (machine / "own").write_text("0::/pod/container\n")
    second_version(machine / "groups", "max")
    second_version(machine / "groups/pod", 6000 * MB, used=4000 * MB)
    second_version(machine / "groups/pod/container", 5000 * MB, used=500 * MB)
    assert devices.memory_mb() == (5000, 2000)
    assert devices.out_of_memory_kills() == 3


def test_groups_of_the_first_version_count(machine: Path) -> None:
    """In version 1, limits are read from the tree of memory groups, of which a container may see only the root."""
    (machine / "own").write_text("5:devices:/x\n4:cpu,memory:/docker/1f\n0::/\n")
    first_version(machine / "groups/memory", 3000 * MB, used=1000 * MB, cached=100 * MB)
    assert devices.memory_mb() == (3000, 2100)
    first_version(machine / "groups/memory/docker/1f", UNLIMITED)
    assert devices.memory_mb() == (3000, 2100)
    assert devices.out_of_memory_kills() == 2


@pytest.mark.parametrize("own", [None, "0::/\n", "4:memory:/\n"])
def test_without_a_limit_the_machines_memory_counts(machine: Path, own: str | None) -> None:
    """The machine's memory counts without a limit, without control groups, or if their files are hidden."""
    if own is not None:
        (machine / "own").write_text(own)
        second_version(machine / "groups", "max")
    assert devices.memory_mb() == (256_000, 200_000)
    assert devices.default_cpu_workers() == devices.MAXIMUM_CPU_WORKERS


def test_a_full_container_still_gets_a_worker(machine: Path) -> None:
    """One worker is started even if the container's memory is over its limit for a moment."""
    (machine / "own").write_text("0::/\n")
    second_version(machine / "groups", 1000 * MB, used=1001 * MB)
    assert devices.memory_mb() == (1000, 0)
    assert devices.default_cpu_workers() == 1
