"""A worker's share of the machine, and measurements of its GPU through a stand-in for the driver."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest
from fake_driver import MB, FakeDriver

from apertune.errors import SettingError
from apertune.search.executors import devices
from apertune.search.executors.choosing import check_places, make_executor
from apertune.search.executors.devices import Gpu
from apertune.search.executors.environments import gpu_environment, local_environments, worker_environments
from apertune.search.executors.places import PlaceSettings
from apertune.search.messages import TrialResult
from apertune.search.training.gpu_usage import watched_gpu


@pytest.mark.parametrize("visible", ["1", "GPU-1"])
def test_a_trial_is_measured_on_its_own_gpu(monkeypatch: pytest.MonkeyPatch, visible: str) -> None:
    """The result has the peak memory of this process and the utilisation of its own GPU."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    driver = FakeDriver([100, 300, 200])
    with watched_gpu(driver, every_s=0.005) as usage:
        while usage.looks < 4:
            time.sleep(0.005)
    result = usage.noted(TrialResult(0, "complete"))
    assert (result.peak_gpu_memory_mb, result.gpu_utilization_percent) == (300.0, 40.0)
    assert driver.opened == 0


def test_a_shared_gpu_is_not_charged_to_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the driver knows this process by another number, a GPU is measured as a whole only if it is not shared."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv(devices.SHARERS_VARIABLE, "1")
    with watched_gpu(FakeDriver([250], own_process=99999), every_s=0.005) as alone:
        pass
    monkeypatch.setenv(devices.SHARERS_VARIABLE, "2")
    with watched_gpu(FakeDriver([250], own_process=99999), every_s=0.005) as shared:
        pass
    assert (alone.peak_memory_mb, shared.peak_memory_mb) == (250.0, None)


def test_nothing_is_measured_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on processors asks no driver."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    driver = FakeDriver([1])
    with watched_gpu(driver) as usage:
        assert driver.opened == 0
    assert usage.noted(TrialResult(0, "complete")) == TrialResult(0, "complete")


def test_visible_gpus_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """`CUDA_VISIBLE_DEVICES` selects GPUs by number or UUID; if it is unset, all are visible."""
    driver, found = FakeDriver([100]), {}
    for visible in ("1", "GPU-0", ""):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        found[visible] = [gpu.index for gpu in devices.gpus(driver)]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert found == {"1": [1], "GPU-0": [0], "": []}
    assert devices.gpus(driver)[1] == Gpu(1, "a GPU", 900.0, 1000.0)


@pytest.mark.parametrize(
    ("visible", "indices"),
    [
        ("0, 1", [0, 1]),
        ("1,0", [0, 1]),
        (" GPU-1", [1]),
        ("GPU-1f3c", [1]),
        ("GPU-1f3c, 0", [0, 1]),
        ("0,-1,1", [0]),
        ("-1", []),
        ("NoDevFiles", []),
    ],
)
def test_visible_gpus_are_read_as_cuda_reads_them(
    monkeypatch: pytest.MonkeyPatch, visible: str, indices: list[int]
) -> None:
    """Blanks are ignored, the beginning of a UUID is enough, and nothing after -1 is visible."""
    driver = FakeDriver([100])
    monkeypatch.setattr(driver, "nvmlDeviceGetUUID", ["GPU-0b77", "GPU-1f3c-9d01"].__getitem__)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.index for gpu in devices.gpus(driver)] == indices
    assert driver.opened == 0


@pytest.mark.parametrize("name", ["MIG-77aa", "2", "GPU-9", "GPU-", "all", "00000000:01:00.0"])
def test_a_gpu_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A part of a GPU, or a GPU that does not exist, gives a one-line error instead of training on processors."""
    driver = FakeDriver([100])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"0,{name}")
    with pytest.raises(SettingError) as caught:
        devices.gpus(driver)
    assert str(caught.value) == (
        f"CUDA_VISIBLE_DEVICES must name whole GPUs, by number (0 to 1 here) or UUID, but got '{name}'; see "
        "nvidia-smi -L, or leave the variable empty to train on processors"
    )
    assert driver.opened == 0
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    assert not devices.fits_on_device(1)


def give_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    cards = [Gpu(index, "a GPU", 800.0, 1000.0) for index in range(count)]
    monkeypatch.setattr(devices, "gpus", lambda: cards)


def test_workers_are_pinned_to_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each GPU gets its workers by the driver's numbers, and each worker takes memory only as needed."""
    give_gpus(monkeypatch, 3)
    made = local_environments(PlaceSettings(gpus=(0, 2), per_gpu=2))
    assert [variables["CUDA_VISIBLE_DEVICES"] for variables in made] == ["0", "2", "0", "2"]
    assert {variables["CUDA_DEVICE_ORDER"] for variables in made} == {"PCI_BUS_ID"}
    assert {variables["TF_FORCE_GPU_ALLOW_GROWTH"] for variables in made} == {"true"}
    assert {variables[devices.SHARERS_VARIABLE] for variables in made} == {"2"}
    assert len(local_environments(PlaceSettings())) == 3


def test_no_gpus_means_workers_on_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--gpus none` or `--workers` no worker sees a GPU, and the workers divide the threads."""
    give_gpus(monkeypatch, 3)
    monkeypatch.setattr(devices, "processors", lambda: 8)
    for settings in (PlaceSettings(gpus=(), workers=4), PlaceSettings(workers=4)):
        made = local_environments(settings)
        assert [variables["CUDA_VISIBLE_DEVICES"] for variables in made] == [""] * 4
        assert {variables["OMP_NUM_THREADS"] for variables in made} == {"2"}
    assert len(local_environments(PlaceSettings(gpus=()))) == devices.default_cpu_workers()


@pytest.mark.parametrize(
    ("count", "settings", "message"),
    [
        (2, {"gpus": (1, 5)}, "--gpus names 5, but this machine has 0, 1; see nvidia-smi"),
        (0, {"gpus": (0,)}, "--gpus names 0, but this machine shows no GPU; see nvidia-smi"),
        (0, {"per_gpu": 2}, "--per-gpu 2 shares GPUs, but this machine shows none; say --workers instead"),
    ],
)
def test_gpus_that_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, count: int, settings: dict[str, object], message: str
) -> None:
    """A GPU that does not exist is refused by its number instead of silently training on processors."""
    give_gpus(monkeypatch, count)
    with pytest.raises(SettingError, match=message):
        local_environments(PlaceSettings(**settings))  # type: ignore[arg-type]  # names are given by the test


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"workers": 2, "gpus": (0,)}, "--workers counts workers on processors"),
        ({"workers": 2, "per_gpu": 2}, "with --workers trials run on processors"),
        ({"gpus": (0, 0)}, "--gpus names each GPU once, but got 0,0; --per-gpu shares one"),
        ({"gpus": (), "per_gpu": 2}, "with --gpus none trials run on processors"),
        ({"cluster": "auto", "gpus": (0,)}, "with --cluster say all or none"),
        ({"cluster": "10.0.0.1:6379"}, "--cluster must be auto or ray://HOST:PORT, but got '10.0.0.1:6379'"),
    ],
)
def test_settings_without_effect_are_refused(settings: dict[str, object], message: str) -> None:
    """Settings that would not change where trials run are refused at once."""
    with pytest.raises(SettingError, match=message):
        PlaceSettings(**settings)  # type: ignore[arg-type]  # names are given by the test


def test_a_shared_device_holds_only_a_share_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers on a GPU each leave the other enough memory for its images."""
    give_gpus(monkeypatch, 1)
    images = 250 * MB
    for worker_variables, fits in ((gpu_environment("0", 1), True), (gpu_environment("0", 2), False)):
        for name, value in worker_variables.items():
            monkeypatch.setenv(name, value)
        assert devices.fits_on_device(images) is fits


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to processors")
@pytest.mark.skipif(devices.processors() < 2, reason="this machine has only one processor")
def test_processors_that_may_not_be_used_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors outside the affinity, or excluded by joblib's variable, do not count."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert devices.processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert devices.processors() > 1
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert devices.processors() == 1


def test_processors_are_divided() -> None:
    """Each worker gets at least one thread, even with more workers than processors."""
    made = worker_environments(devices.processors() + 1)
    assert {variables["TF_NUM_INTRAOP_THREADS"] for variables in made} == {"1"}


def test_no_worker_is_started_that_no_trial_is_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There are at most as many workers on processors as trials, each with its share of all threads."""
    give_gpus(monkeypatch, 0)
    monkeypatch.setattr(devices, "processors", lambda: 8)
    monkeypatch.setattr(devices, "default_cpu_workers", lambda: 8)
    for workers in (4, None):
        assert make_executor(PlaceSettings(workers=workers), tmp_path, at_most=2).slots == 2
        made = local_environments(PlaceSettings(workers=workers), at_most=2)
        assert [variables["OMP_NUM_THREADS"] for variables in made] == ["4", "4"]


def test_workers_far_beyond_the_processors_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Four workers per processor are allowed and one more is refused, except on a cluster."""
    give_gpus(monkeypatch, 0)
    monkeypatch.setattr(devices, "processors", lambda: 2)
    assert make_executor(PlaceSettings(workers=8), tmp_path).slots == 8
    with pytest.raises(SettingError, match=r"--workers must be at most 8 \(4 per processor, and .* has 2\), but got 9"):
        make_executor(PlaceSettings(workers=9), tmp_path)
    check_places(PlaceSettings(workers=1000, cluster="auto"))


def test_a_cluster_without_ray_names_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Ray the error names the command that installs it."""
    monkeypatch.setitem(sys.modules, "ray", None)
    executor = make_executor(PlaceSettings(cluster="auto"), tmp_path)
    with pytest.raises(SettingError, match=r"--cluster needs an optional package; .* uv sync --extra ray "):
        executor.start()


def test_jax_keeps_what_it_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With JAX, workers share a folder of compiled programs in the cache; a folder that the user set is kept."""
    monkeypatch.setenv("APERTUNE_CACHE", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    assert "JAX_COMPILATION_CACHE_DIR" not in worker_environments(1)[0]
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert worker_environments(1)[0]["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "compiled")
    assert worker_environments(0, [0])[0]["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "compiled")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "elsewhere")
    assert "JAX_COMPILATION_CACHE_DIR" not in worker_environments(1)[0]
