"""The cost of a trial's share of its GPU, with a stand-in for the driver."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from fake_driver import FakeDriver

from apertune.search.evaluation.direction import Direction
from apertune.search.executors import devices
from apertune.search.messages import EpochEnded, TrialEvent, TrialResult
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.tracking.journal import Journal
from apertune.search.tracking.outbox import Outbox, unsent
from apertune.search.tracking.records import MetricsLogged
from apertune.search.training.gpu_usage import GpuUsage, watched_gpu
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

WATTS = 200.0
SPACE = SearchSpace((Parameter("rate", "float", 0.2, low=0.0, high=0.5, sampling="linear"),))


class CountingDriver(FakeDriver):
    """A driver whose second GPU draws 200 W and whose first one's energy counter stands still."""

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802  (the driver's name)
        return round(handle * WATTS * 1000 * time.monotonic())


def watched(driver: FakeDriver, told: list[TrialEvent], looks: int = 20) -> GpuUsage:
    """Watches a trial of one epoch."""
    with watched_gpu(driver, every_s=0.005) as usage:
        while usage.looks < looks:
            time.sleep(0.002)
        usage.telling(told.append)(EpochEnded(0, 1, {"loss": 1.0}, 0.1, 1))
    return usage


@pytest.mark.parametrize("sharers", [1, 2])
def test_energy_is_counted_and_shared(monkeypatch: pytest.MonkeyPatch, sharers: int) -> None:
    """A trial's GPU time and energy are those of its own GPU, divided by the workers on it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv(devices.SHARERS_VARIABLE, str(sharers))
    began = time.monotonic()
    result = watched(CountingDriver([100]), []).noted(TrialResult(0, "complete"))
    passed = time.monotonic() - began
    assert result.gpu_seconds is not None
    assert result.energy_joules is not None
    assert 0 < result.gpu_seconds <= passed / sharers
    assert result.energy_joules == pytest.approx(WATTS * result.gpu_seconds, rel=0.2)


def test_each_epoch_tells_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each epoch has the utilisation, memory and power of the trial's own GPU only, once."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    monkeypatch.setenv(devices.SHARERS_VARIABLE, "1")
    told: list[TrialEvent] = []
    watched(CountingDriver([100]), told)
    (event,) = told
    assert isinstance(event, EpochEnded)
    assert event.metrics == {"loss": 1.0}
    assert event.system == {
        "system/gpu_utilization_percentage": 40.0,
        "system/gpu_memory_usage_megabytes": 100.0,
        "system/gpu_power_usage_watts": pytest.approx(WATTS, rel=0.2),
    }


def test_a_gpu_that_counts_no_energy_still_tells_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU without an energy counter gives GPU time, utilisation and memory, and no invented energy."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    told: list[TrialEvent] = []
    result = watched(FakeDriver([100]), told).noted(TrialResult(0, "complete"))
    assert result.energy_joules is None
    assert result.gpu_seconds is not None
    assert isinstance(told[0], EpochEnded)
    assert set(told[0].system) == {"system/gpu_utilization_percentage", "system/gpu_memory_usage_megabytes"}


def test_what_a_trial_costs_reaches_study_and_tracker(tmp_path: Path) -> None:
    """The tracker gets system metrics beside each epoch's own; the study keeps GPU time and energy."""
    definition = StudyDefinition(
        dataset="pets", data="made up", task="binary", fingerprint="ab" * 32, space="convnet",
        search_space=SPACE.to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=2,
    )  # fmt: skip
    study = create_study(open_storage(f"sqlite:///{tmp_path / 'studies.db'}"), "pets", definition)
    number = study.ask().number
    with Outbox(tmp_path / "outbox.jsonl") as outbox:
        journal = Journal(outbox, study, "search", {})
        journal.epoch_ended(EpochEnded(number, 1, {"loss": 1.0}, 0.1, 1, {"system/gpu_power_usage_watts": 200.0}))
    ((record, _),) = unsent(tmp_path / "outbox.jsonl", 0)
    assert isinstance(record, MetricsLogged)
    assert record.points == (("loss", 1.0, 1, 1), ("system/gpu_power_usage_watts", 200.0, 1, 1))
    study.tell(TrialResult(number, "complete", value=0.5, gpu_seconds=7.0, energy_joules=1400.0))
    (kept,) = study.records()
    assert (kept.gpu_seconds, kept.energy_joules) == (7.0, 1400.0)
