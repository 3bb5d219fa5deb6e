"""Keras's built-in sets are read from Keras's own folder, or fetched into it."""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import LoadSettings, load
from apertune.datasets.adapters import fetching
from apertune.datasets.adapters.fetching import Download, DownloadedFolder
from apertune.errors import ApertuneError, DatasetError, SettingError


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where Keras keeps its sets, empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "keras" / "datasets"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the folder "served"."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(_Quiet, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        return


def test_from_keras_folder(make: SimpleNamespace, kept: Path) -> None:
    """A set that Keras has fetched is read where it lies, with Keras's own pixels, labels and parts."""
    make.mnist(kept / "mnist.npz")
    dataset = load("mnist")
    with np.load(kept / "mnist.npz") as arrays:
        assert np.array_equal(dataset.images[..., 0], np.concatenate([arrays["x_train"], arrays["x_test"]]))
        assert dataset.labels.tolist() == np.concatenate([arrays["y_train"], arrays["y_test"]]).tolist()
    assert dataset.origins[[0, 79, 80, 99]].tolist() == ["train 0", "train 79", "test 0", "test 19"]
    assert dataset.test.tolist() == list(range(80, 100))
    assert dataset.source == str(kept / "mnist.npz")
    assert "3.0" in (dataset.licence or "")


def test_cifar_as_keras_reads_it(make: SimpleNamespace, kept: Path) -> None:
    """CIFAR-10's planes become the pixels that Keras makes of the same batches."""
    make.cifar10(kept / "cifar-10-batches-py-target")
    dataset = load("cifar10")
    from keras.src.datasets.cifar import load_batch

    planes, labels = load_batch(str(kept / "cifar-10-batches-py-target/cifar-10-batches-py/test_batch"))
    assert np.array_equal(dataset.images[dataset.test], planes.transpose(0, 2, 3, 1))
    assert dataset.labels[dataset.test].tolist() == labels
    assert dataset.classes == tuple(f"kind {label}" for label in range(10))


def test_coarse_labels(make: SimpleNamespace, kept: Path) -> None:
    """CIFAR-100 comes with its fine or its coarse classes."""
    make.cifar100(kept / "cifar-100-python-target")
    assert load("cifar100").classes[:2] == ("kind 0", "kind 1")
    coarse = load("cifar100", settings=LoadSettings(options={"label-mode": "coarse"}))
    assert coarse.classes == tuple(f"family {label}" for label in range(5))
    with pytest.raises(DatasetError, match="label-mode must be fine or coarse, but got 'both'"):
        load("cifar100", settings=LoadSettings(options={"label-mode": "both"}))
    with pytest.raises(SettingError, match="cifar10 has no option --label-mode"):
        load("cifar10", settings=LoadSettings(options={"label-mode": "coarse"}))


def test_given_data(make: SimpleNamespace, tmp_path: Path, kept: Path) -> None:
    """A set given with --data is read instead of Keras's, be it a folder or the archive that is published."""
    folder = make.cifar10(tmp_path / "mine")
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder / "cifar-10-batches-py", "cifar-10-batches-py")
    dataset = load("cifar10", folder)
    assert load("cifar10", tmp_path / "cifar-10-python.tar.gz").fingerprint == dataset.fingerprint
    assert not kept.exists()


def test_fashion_mnist_fetched(
    make: SimpleNamespace, tmp_path: Path, kept: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set that Keras does not have is fetched into Keras's folder, under the names that Keras looks for."""
    make.fashion_mnist(tmp_path / "served")
    files = tuple(Download(f"{server}/{path.name}", path.name) for path in (tmp_path / "served").iterdir())
    monkeypatch.setitem(fetching.ORIGINS, "fashion_mnist", DownloadedFolder("fashion-mnist", files))
    dataset = load("fashion_mnist")
    assert dataset.classes[0] == "T-shirt/top"
    assert len(list((kept / "fashion-mnist").iterdir())) == 4
    monkeypatch.setattr(fetching, "download", None)
    assert load("fashion_mnist").fingerprint == dataset.fingerprint


def test_checksum(make: SimpleNamespace, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetched file must have the SHA-256 that Keras publishes."""
    content = make.mnist(tmp_path / "served" / "mnist.npz").read_bytes()
    right = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(fetching.ORIGINS, "mnist", Download(f"{server}/mnist.npz", "mnist.npz", sha256="0" * 64))
    with pytest.raises(ApertuneError, match=r"mnist\.npz does not have its published checksum 000"):
        load("mnist")
    monkeypatch.setitem(fetching.ORIGINS, "mnist", Download(f"{server}/mnist.npz", "mnist.npz", sha256=right))
    assert len(load("mnist").images) == 100


def test_no_network(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network, one line says where to get the files and where to put them."""
    for name in ("mnist", "fashion_mnist"):
        origin = fetching.ORIGINS[name]
        dead = Download("http://127.0.0.1:9/file", "mnist.npz", pause_seconds=0.01)
        monkeypatch.setitem(
            fetching.ORIGINS,
            name,
            DownloadedFolder(origin.filename, (dead,)) if isinstance(origin, DownloadedFolder) else dead,
        )
    with pytest.raises(ApertuneError) as refused:
        load("mnist")
    assert str(refused.value).startswith("mnist cannot be fetched: ")
    assert f"save it as {kept / 'mnist.npz'}, and continue with --data" in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(ApertuneError, match=r"get mnist\.npz from https://github.*save them in .*fashion-mnist, and"):
        load("fashion_mnist")


def test_left_by_an_interrupted_download(make: SimpleNamespace, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that lacks files is not taken for the set, and one given with --data is refused by the missing file."""
    make.cifar10(kept / "cifar-10-batches-py-target")
    inner = kept / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    (inner / "data_batch_3").unlink()
    with pytest.raises(DatasetError, match=r"has no file 'data_batch_3'; give cifar-10-python\.tar\.gz"):
        load("cifar10")
    (inner / "test_batch").unlink()
    dead = Download("http://127.0.0.1:9/file", "cifar-10-python.tar.gz", pause_seconds=0.01)
    monkeypatch.setitem(fetching.ORIGINS, "cifar10", dead)
    with pytest.raises(ApertuneError, match="cifar10 cannot be fetched"):
        load("cifar10")


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


@pytest.mark.parametrize("fault", ["runs", "cut", "labels"])
def test_damaged(make: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """A pickle that runs something, a cut file and labels that do not fit are refused in one line; nothing is run."""
    monkeypatch.chdir(tmp_path)
    batch = make.cifar10(tmp_path / "mine") / "cifar-10-batches-py" / "data_batch_2"
    if fault == "runs":
        batch.write_bytes(pickle.dumps({b"data": _Runs()}))
    elif fault == "cut":
        batch.write_bytes(batch.read_bytes()[:500])
    else:
        held = pickle.loads(batch.read_bytes())
        batch.write_bytes(pickle.dumps({**held, b"labels": held[b"labels"][:-1]}))
    with pytest.raises(DatasetError) as refused:
        load("cifar10", tmp_path / "mine")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_damaged_npz(make: SimpleNamespace, tmp_path: Path) -> None:
    """A damaged mnist.npz is refused with the way to a whole one."""
    path = make.mnist(tmp_path / "mnist.npz")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DatasetError, match=r"mnist: .*mnist\.npz cannot be read: .*; remove it to have it fetched"):
        load("mnist", path)
