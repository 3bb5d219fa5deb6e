"""Data sent to another machine and results sent back, with two folders for the two machines."""

from __future__ import annotations

import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from apertune.datasets import from_arrays
from apertune.datasets.arrays import EntryArrays
from apertune.datasets.base import ImageDataset
from apertune.errors import SettingError
from apertune.search.evaluation.saved import Evaluation, load_evaluation, save_evaluation
from apertune.search.executors.ray import connection as ray_connection
from apertune.search.executors.ray.folder_mirror import FolderChange, FolderWatch, read_folder, write_change
from apertune.search.executors.ray.returning import Batch, put_back
from apertune.search.executors.ray.shipping import Part, Shipment, land, moved, moved_back, pack, rows_of
from apertune.search.executors.ray.slots import SlotShape, count_slots
from apertune.search.executors.ray.versions import check_versions, installed_versions
from apertune.search.messages import EpochEnded, SpaceReference, TrialResult, TrialTask
from apertune.spaces.search_space.parameters import SearchSpace

GIGABYTE = 2**30


@pytest.fixture
def dataset() -> ImageDataset:
    """Each image's pixels are its row's number."""
    images = np.repeat(np.arange(60, dtype=np.uint8), 64).reshape(60, 8, 8, 1)
    return from_arrays("numbered", images, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))


def shipped(dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, cache: Path) -> tuple[Shipment, Path, list[Part]]:
    """Packs the training view and lands it in another machine's cache. Returns what was fetched."""
    view = dataset.training_view()
    shipment, parts = pack(view, rows_of([view]))
    fetched: list[Part] = []

    def fetch(part: Part) -> Part:
        fetched.append(part)
        return part

    monkeypatch.setenv("APERTUNE_CACHE", str(cache))
    shipment = replace(shipment, parts=tuple(parts))
    return shipment, land(shipment, fetch), fetched


def test_only_training_and_validation_images_are_shipped(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other machine has the images, labels and origins of both splits, and not one test image."""
    view = dataset.training_view()
    _, folder, _ = shipped(dataset, monkeypatch, tmp_path / "there")
    there = moved(view, folder, rows_of([view]))
    for split in ("train", "validation"):
        assert np.array_equal(there.images(split), view.images(split))
        assert np.array_equal(there.labels(split), view.labels(split))
        assert np.array_equal(there.origins(split), view.origins(split))
    pixels = set(EntryArrays(folder).images().ravel().tolist())
    assert len(dataset.test) > 0
    assert not pixels & set(dataset.test.tolist())
    back = moved_back(there, view.folder, rows_of([view]))
    assert np.array_equal(back.train, view.train)
    assert np.array_equal(back.validation, view.validation)


def test_data_is_shipped_once(dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has the data fetches nothing, and folds of the same images are the same shipment."""
    shipment, folder, fetched = shipped(dataset, monkeypatch, tmp_path / "there")
    assert {part.array for part in fetched} == {"images", "labels", "origins"}

    def fetch(part: Part) -> Part:
        raise AssertionError("it is there")

    assert land(shipment, fetch) == folder
    view = dataset.training_view()
    fold = replace(view, train=view.train[5:], validation=np.sort(np.concatenate([view.validation, view.train[:5]])))
    assert pack(fold, rows_of([fold]))[0].key == shipment.key


def test_large_arrays_are_shipped_in_parts(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No part is larger than its limit, and together they are the whole."""
    monkeypatch.setattr("apertune.search.executors.ray.shipping.PART_BYTES", 1000)
    _, folder, fetched = shipped(dataset, monkeypatch, tmp_path / "there")
    images = [part for part in fetched if part.array == "images"]
    assert len(images) == 4
    assert max(part.values.nbytes for part in fetched) <= 1000
    view = dataset.training_view()
    assert np.array_equal(EntryArrays(folder).images(), dataset.images[rows_of([view])])


def test_a_folder_is_mirrored(tmp_path: Path) -> None:
    """New, changed and removed files reach the other folder; files under a temporary name do not."""
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "round-1").mkdir(parents=True)
    (here / "old.npz").write_text("old")
    write_change(there, read_folder(here))
    watch = FolderWatch(here, bytes_per_s=1e9)
    (here / "old.npz").unlink()
    (here / "round-1/checkpoint.npz").write_text("weights")
    (here / "checkpoint.writing").write_text("half")
    (here / ".model.x").mkdir()
    (here / ".model.x/half").write_text("half")
    write_change(there, watch.changes())
    assert {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()} == {
        "round-1/checkpoint.npz"
    }
    assert watch.changes() == FolderChange()
    shutil.rmtree(here / "round-1")
    write_change(there, watch.changes(last=True))
    assert not list(there.iterdir())


def test_a_folder_that_goes_while_it_is_looked_at(tmp_path: Path) -> None:
    """A trial may delete its rounds' folders while the mirror looks for changes."""
    watch, gone = FolderWatch(tmp_path, bytes_per_s=1e9), threading.Event()

    def come_and_go() -> None:
        while not gone.is_set():
            for number in range(20):
                (tmp_path / f"round-{number}/artifacts").mkdir(parents=True)
                (tmp_path / f"round-{number}/artifacts/a").touch()
            for number in range(20):
                shutil.rmtree(tmp_path / f"round-{number}")

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(come_and_go)
        try:
            for _ in range(200):
                watch.changes(last=True)
        finally:
            gone.set()
        coming.result()


def test_checkpoints_do_not_fill_the_network(tmp_path: Path) -> None:
    """After a large change the next one is delayed, but the last one is always sent."""
    watch = FolderWatch(tmp_path, bytes_per_s=10.0)
    (tmp_path / "checkpoint.npz").write_bytes(b"0" * 1000)
    assert len(watch.changes().files) == 1
    (tmp_path / "checkpoint.npz").write_bytes(b"1" * 1001)
    assert watch.changes() == FolderChange()
    assert watch.changes(last=True).files == {"checkpoint.npz": b"1" * 1001}


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside"])
def test_nothing_is_written_outside_a_trials_folder(tmp_path: Path, name: str) -> None:
    """A path that leaves the folder is refused."""
    with pytest.raises(ValueError, match="must lie in its folder"):
        write_change(tmp_path / "trial", FolderChange({name: b""}))


def test_plots_are_drawn_from_the_supervisors_copy(
    dataset: ImageDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A returned trial's plot data refers to this machine's images and rows."""
    view = dataset.training_view()
    rows = rows_of([view])
    _, folder, _ = shipped(dataset, monkeypatch, tmp_path / "there")
    probabilities = np.full((len(view.validation), 3), 1 / 3, np.float32)
    left = tmp_path / "left"
    save_evaluation(left / "artifacts", Evaluation(moved(view, folder, rows), probabilities, [], "accuracy"))
    task = TrialTask(
        3, view, SpaceReference("x"), SearchSpace(()), {}, 0, 1, None, "accuracy", tmp_path / "home/trials/3"
    )
    batch = Batch((TrialResult(3, "complete"),), read_folder(left), b"a line\n")
    put_back(batch, task, rows, tmp_path / "home/logs/worker-0.log")
    evaluation = load_evaluation(task.folder / "artifacts")
    assert evaluation.view.folder == view.folder
    assert np.array_equal(evaluation.view.images("validation"), view.images("validation"))
    assert (tmp_path / "home/logs/worker-0.log").read_text() == "a line\n"
    assert not Batch((EpochEnded(3, 1, {}, 0.0, 0),)).ended


NODE = {"CPU": 8.0, "memory": 64.0 * GIGABYTE}


@pytest.mark.parametrize(
    ("nodes", "workers", "per_gpu", "expected"),
    [
        ([{**NODE, "GPU": 4.0}, {**NODE, "GPU": 2.0}], None, 1, (6, SlotShape(1.0, 2, 1))),
        ([{**NODE, "GPU": 2.0}, NODE], None, 3, (6, SlotShape(0.3333, 1, 3))),
        ([NODE, NODE], None, 1, (16, SlotShape(0.0, 1, 8))),
        ([{"CPU": 64.0, "memory": 3.2 * GIGABYTE}], None, 1, (2, SlotShape(0.0, 32, 2))),
        ([{"CPU": 5.0}, {"CPU": 1.0}], 2, 1, (2, SlotShape(0.0, 2, 2))),
        ([{"CPU": 4.0}], 12, 1, (12, SlotShape(0.0, 1, 4))),
        ([], None, 1, (1, SlotShape(0.0, 1, 1))),
    ],
)
def test_slots_fit_the_nodes(
    nodes: list[dict[str, float]], workers: int | None, per_gpu: int, expected: tuple[int, SlotShape]
) -> None:
    """A node has one worker per GPU or share of it, or as many as asked for, or as processors and memory allow."""
    assert count_slots(nodes, workers, per_gpu, use_gpus=True) == expected


def test_no_gpu_cannot_be_shared() -> None:
    """Workers that are to share GPUs are refused without a GPU, rather than silently trained on processors."""
    with pytest.raises(SettingError, match="--per-gpu 2 shares GPUs, but no node of the cluster shows one"):
        count_slots([NODE], None, 2, use_gpus=True)


def test_gpus_can_be_left_alone() -> None:
    """Without GPUs the workers of a node with GPUs run on its processors, and see none."""
    count, shape = count_slots([{**NODE, "GPU": 4.0}], None, 1, use_gpus=False)
    assert (count, shape.gpus, shape.environment()["CUDA_VISIBLE_DEVICES"]) == (8, 0.0, "")


def test_ray_chooses_the_gpu() -> None:
    """A worker with a share of a GPU takes memory on demand, and keeps the GPU that Ray has given it."""
    environment = SlotShape(0.5, 4, 2).environment()
    assert "CUDA_VISIBLE_DEVICES" not in environment
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert environment["OMP_NUM_THREADS"] == "4"


def test_a_node_with_other_versions_is_refused() -> None:
    """The error for a node with another Keras names the node, its version and the expected one."""
    versions = installed_versions()
    check_versions("node-7", versions)
    with pytest.raises(SettingError, match=rf"node-7 has keras 1.0 there, {versions['keras']} here: install"):
        check_versions("node-7", {**versions, "keras": "1.0"})


class FailingRay(ModuleType):
    """The part of Ray that `connect` uses, with a client server that dies a number of times before it starts."""

    def __init__(self, failures: int, message: str = "Starting Ray client server failed. See its log") -> None:
        super().__init__("ray")
        self.failures, self.message, self.connecting, self.shut_down = failures, message, 0, 0

    def init(self, *_: object, **__: object) -> None:
        self.connecting += 1
        if self.connecting <= self.failures:
            raise RuntimeError(self.message)

    def shutdown(self) -> None:
        self.shut_down += 1


def test_a_client_server_that_dies_at_its_start_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client server that dies before it answers is started again; other errors are raised at once."""
    monkeypatch.setattr(ray_connection, "CONNECT_AGAIN_AFTER_S", 0.0)
    ray = FailingRay(2)
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert ray_connection.connect("ray://head:10001") is ray
    assert (ray.connecting, ray.shut_down) == (3, 2)
    for failing, tries in ((FailingRay(99), ray_connection.CONNECT_ATTEMPTS), (FailingRay(99, "no route"), 1)):
        monkeypatch.setitem(sys.modules, "ray", failing)
        with pytest.raises(SettingError, match="--cluster ray://head:10001: cannot connect"):
            ray_connection.connect("ray://head:10001")
        assert failing.connecting == tries
