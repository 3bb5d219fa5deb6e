"""The bound on a search's memory: how it is written, what it has room for, and what is refused."""

from __future__ import annotations

import pytest

from apertune.errors import SettingError
from apertune.search.executors import devices, environments
from apertune.search.executors.choosing import check_places
from apertune.search.executors.environments import local_environments, told_of_machine
from apertune.search.executors.memory_bound import SEARCH_MB, WORKER_MB, least_mb, most_workers, size_mb, typed
from apertune.search.executors.places import PlaceSettings


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 4 processors, no GPU and 64 GB, 32 of them free."""
    monkeypatch.setattr(devices, "processors", lambda: 4)
    monkeypatch.setattr(devices, "memory_mb", lambda: (64_000.0, 32_000.0))
    monkeypatch.setattr(devices, "gpus", list)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize(
    ("text", "megabytes"), [("1024MiB", 1024), ("2GiB", 2048), ("1.5 GB", 1430.5), ("800mb", 762.9), ("1TB", 953674.3)]
)
def test_sizes_are_read(text: str, megabytes: float) -> None:
    """Sizes are read in units of a thousand and of 1024, however they are written."""
    assert size_mb(PlaceSettings(memory=text).memory or "") == pytest.approx(megabytes, abs=0.1)


@pytest.mark.parametrize("given", ["6", "lots", "-2GB", "0GB", "6GB of it", "", "6 kB"])
def test_what_is_no_size_is_refused(given: str) -> None:
    """A text that is no size is answered with the flag, what was given, and two sizes to copy."""
    with pytest.raises(SettingError, match=rf"--memory must be a size such as 6GB or 800MB, but got '{given}'"):
        PlaceSettings(memory=given)


def test_a_size_that_is_told_can_be_typed() -> None:
    """The size that a message names is rounded up, so that it is enough when it is typed."""
    for workers in range(1, 9):
        told = typed(least_mb(workers))
        assert size_mb(told) >= least_mb(workers)
        check_places(PlaceSettings(workers=workers, memory=told))


def test_too_little_for_the_workers_is_refused_with_what_is_enough() -> None:
    """One line says what the workers need, what was given, and both ways out."""
    with pytest.raises(SettingError) as refused:
        check_places(PlaceSettings(workers=2, memory="1500MB"))
    assert str(refused.value) == (
        "a search with 2 workers needs about 1.9 GB, but --memory gives 1500MB; use --workers 1 or --memory 1.9GB"
    )
    with pytest.raises(SettingError, match=r"1 worker needs about 1\.4 GB, but .* 500MB; use --memory 1\.4GB"):
        check_places(PlaceSettings(memory="500MB"))


def test_as_many_workers_start_as_the_bound_has_room_for() -> None:
    """Without `--workers` the bound decides, and a line says so; with room for all, nothing is said."""
    bounded = PlaceSettings(memory="2.5GB")
    made = local_environments(bounded)
    assert len(made) == most_workers(size_mb("2.5GB")) == 3
    assert told_of_machine(bounded, made, 20) == ["--memory 2.5GB has room for 3 workers."]
    assert told_of_machine(bounded, made, 3) == []
    roomy = PlaceSettings(memory="9GB")
    assert told_of_machine(roomy, local_environments(roomy), 20) == []
    share = float(made[0][devices.MEMORY_VARIABLE])
    assert WORKER_MB <= share == pytest.approx((size_mb("2.5GB") - SEARCH_MB) / 3, abs=1)
    assert devices.MEMORY_VARIABLE not in local_environments(PlaceSettings())[0]


def test_short_memory_of_the_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line says so if the machine has less free memory than all its processors' workers take."""
    monkeypatch.setattr(devices, "memory_mb", lambda: (8_000.0, 3_500.0))
    made = local_environments(PlaceSettings())
    assert len(made) == 2
    told = "Only 2 workers, since 3.7 GB of memory are free; --workers starts more."
    assert told_of_machine(PlaceSettings(), made, 20) == [told]
    assert told_of_machine(PlaceSettings(workers=2), made, 20) == []
    monkeypatch.setattr(devices, "memory_mb", lambda: (8_000.0, 1_800.0))
    assert len(local_environments(PlaceSettings(memory="6GB"))) == 2


def test_a_table_of_images_keeps_within_the_workers_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker keeps a table in memory only where its share of the bound has room for it, or where it is small."""
    table = 200 * 2**20
    assert devices.fits_on_device(table)
    monkeypatch.setenv(devices.MEMORY_VARIABLE, str(WORKER_MB + 100))
    assert not devices.fits_on_device(table)
    assert devices.fits_on_device(table // 2)
    monkeypatch.setenv(devices.MEMORY_VARIABLE, str(WORKER_MB))
    assert devices.fits_on_device(10 * 2**20)


def test_gpus_take_more_and_clusters_have_their_own_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers on GPUs are reckoned with what such libraries take; a bound with --cluster would have no effect."""
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu(0, "A card", 8000.0, 9000.0)])
    with pytest.raises(
        SettingError, match=r"2 workers needs about 4\.1 GB, but --memory gives 3GB; use --memory 4\.1GB"
    ):
        environments.local_environments(PlaceSettings(memory="3GB", per_gpu=2))
    with pytest.raises(SettingError, match="with --cluster the nodes' own limits hold"):
        PlaceSettings(memory="6GB", cluster="auto")
