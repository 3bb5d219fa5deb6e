"""The executor that CONTRIBUTING.md adds, and the values of --cluster."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import psutil
import pytest
from guide import examples, section
from pretend_task import task
from programs import PRETEND_WORKER

from apertune.errors import SettingError
from apertune.search.executors.choosing import make_executor
from apertune.search.executors.local.executor import LocalExecutor
from apertune.search.executors.places import PlaceSettings
from apertune.search.executors.registry import CLUSTERS, ExecutorEntry
from apertune.search.messages import TrialResult


@pytest.fixture
def polite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the guide, with workers that only pretend to train, and its line in the table."""
    module = ModuleType("apertune.search.executors.polite")
    exec(examples("An executor")[0], vars(module))
    vars(module)["WORKER_COMMAND"] = PRETEND_WORKER
    monkeypatch.setitem(sys.modules, module.__name__, module)
    line = section("An executor").partition("Its line in `CLUSTERS`: `")[2].partition("`.")[0]
    (entry,) = eval(f"{{{line}}}", {"ExecutorEntry": ExecutorEntry}).items()
    monkeypatch.setitem(CLUSTERS, *entry)
    return module


def test_the_executor_of_the_guide_trains(polite: ModuleType, tmp_path: Path) -> None:
    """--cluster polite is taken by the guide's executor, whose workers train at the lowest priority."""
    executor = make_executor(PlaceSettings(cluster="polite", workers=1), tmp_path / "logs", at_most=3)
    assert isinstance(executor, LocalExecutor)
    executor.start()
    try:
        (worker,) = (child for child in psutil.Process().children() if "pretend_worker.py" in " ".join(child.cmdline()))
        while not executor.free_slots():
            executor.wait(1)
        executor.submit(task(tmp_path, 3))
        ended: list[TrialResult] = []
        while not ended:
            ended = [event for event in executor.wait(10) if isinstance(event, TrialResult)]
        assert (ended[0].outcome, ended[0].value) == ("complete", 0.03)
        assert worker.nice() == 19
    finally:
        executor.close()


def test_a_refusal_lists_what_there_is(polite: ModuleType) -> None:
    """A value that no executor takes is refused with the forms that are there, the guide's among them."""
    with pytest.raises(SettingError, match=r"--cluster must be auto or ray://HOST:PORT or polite, but got 'slurm'"):
        PlaceSettings(cluster="slurm")
