"""Other searches on this machine, found by their processes, and the processors that are left to this one."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pretend_faults import wait_until

from apertune.search.executors import devices
from apertune.search.executors.environments import local_environments, told_of_machine
from apertune.search.executors.other_searches import ALONE_VARIABLE, SENDER, WORKER, OtherSearch, other_searches
from apertune.search.executors.places import PlaceSettings

# A supervisor with two workers and a sender, which only have their names.
SUPERVISOR = """
import subprocess, sys, time
words = [sys.executable, "-c", "import time; time.sleep(60)"]
children = [subprocess.Popen([*words, *more]) for more in {children}]
try:
    sys.stdin.read()
finally:
    for child in children:
        child.kill()
"""


def begun(*children: list[str]) -> subprocess.Popen[bytes]:
    program = SUPERVISOR.replace("{children}", repr(list(children)))
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)


def mine(started: subprocess.Popen[bytes]) -> list[OtherSearch]:
    """Returns the searches that are found of one process, among all that the machine does."""
    return [other for other in other_searches() if other.process_id == started.pid]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """Another search, of the study `faces`, as its processes show it."""
    monkeypatch.delenv(ALONE_VARIABLE)
    outbox = str(tmp_path / "mlflow/studies/faces/outbox.jsonl")
    with begun(["-m", WORKER, "4"], ["-m", WORKER, "7"], ["-m", SENDER, outbox, str(tmp_path)]) as started:
        wait_until(lambda: len(psutil.Process(started.pid).children()) == 3)
        yield started
        started.communicate()


def test_another_search_is_found_until_it_ends(
    search: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search that runs is found once, with its study; one that ended, or is to be ignored, is not."""
    wait_until(lambda: bool(mine(search)))
    assert mine(search) == [OtherSearch(search.pid, "faces")]
    monkeypatch.setenv(ALONE_VARIABLE, "1")
    assert other_searches() == []
    monkeypatch.delenv(ALONE_VARIABLE)
    search.communicate()
    assert mine(search) == []


def test_what_only_mentions_a_search_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell or an editor whose words hold a worker's name is no search, nor is a sender without workers."""
    monkeypatch.delenv(ALONE_VARIABLE)
    with begun([f"grep {WORKER} /tmp"], ["-m", SENDER, "x/y/outbox.jsonl", "x"]) as started:
        wait_until(lambda: len(psutil.Process(started.pid).children()) == 2)
        time.sleep(0.2)
        assert mine(started) == []
        started.communicate()


@pytest.mark.skipif(not hasattr(psutil.Process, "cpu_affinity"), reason="the system pins no processes")
def test_a_search_on_other_processors_does_not_count(
    search: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searches that are pinned to processors of their own share none."""
    if len(psutil.Process().cpu_affinity()) < 2:  # type: ignore[arg-type]  # without an argument it returns a list
        pytest.skip("one processor is shared in any case")
    wait_until(lambda: bool(mine(search)))
    for child in psutil.Process(search.pid).children():
        child.cpu_affinity([0])
    own = psutil.Process.cpu_affinity
    here = psutil.Process().pid
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda one: [1] if one.pid == here else own(one))
    assert mine(search) == []


def test_a_search_takes_its_share_of_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """With others at work fewer workers start, on fewer threads, and a line says so and what to pass instead."""
    monkeypatch.setattr(devices, "processors", lambda: 8)
    monkeypatch.setattr(devices, "memory_mb", lambda: (64_000.0, 32_000.0))
    monkeypatch.setattr(devices, "gpus", list)
    found = [OtherSearch(4711, "faces")]
    monkeypatch.setattr("apertune.search.executors.environments.other_searches", lambda: found)
    made = local_environments(PlaceSettings(), at_most=20)
    assert [environment["OMP_NUM_THREADS"] for environment in made] == ["1"] * 4
    few = local_environments(PlaceSettings(), at_most=2)
    assert [environment["OMP_NUM_THREADS"] for environment in few] == ["2"] * 2
    assert told_of_machine(PlaceSettings(), made, 20) == [
        "1 other search (study faces, process 4711) runs on this machine, so this one takes 4 of 8 processors: "
        "--workers says otherwise."
    ]
    chosen = local_environments(PlaceSettings(workers=8))
    assert len(chosen) == 8
    assert told_of_machine(PlaceSettings(workers=8), chosen, 20) == [
        "1 other search (study faces, process 4711) runs on this machine, so all share its processors."
    ]
    found.append(OtherSearch(4712, ""))
    assert len(local_environments(PlaceSettings())) == 2
    (line,) = told_of_machine(PlaceSettings(), local_environments(PlaceSettings()), 20)
    assert line.startswith("2 other searches (study faces, process 4711; process 4712) run on this machine")
    found.clear()
    assert told_of_machine(PlaceSettings(), local_environments(PlaceSettings()), 20) == []


def test_searches_on_gpus_are_told_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers on GPUs start as ever, and a line says that a GPU may be shared."""
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu(0, "A card", 8000.0, 9000.0)])
    monkeypatch.setattr("apertune.search.executors.environments.other_searches", lambda: [OtherSearch(4711, "faces")])
    made = local_environments(PlaceSettings())
    assert len(made) == 1
    (line,) = told_of_machine(PlaceSettings(), made, 20)
    assert line.endswith("runs on this machine, so a GPU that several use is shared: --gpus divides them.")
