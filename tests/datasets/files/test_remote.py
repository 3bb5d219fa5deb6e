"""Data at an address are copied to the cache once; what cannot be read is refused in one line."""

from __future__ import annotations

import functools
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apertune.datasets import load
from apertune.datasets.cache import entries as cache
from apertune.datasets.files.remote import is_address, local_copy, shown_address
from apertune.errors import DatasetError, MissingExtraError, SettingError


class Server(ThreadingHTTPServer):
    """Serves a folder, and notes what is asked of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
        self.asked: list[str] = []

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if "forbidden" in self.path:
            self.send_error(403)
        else:
            super().do_GET()

    def log_message(self, *words: object) -> None:
        return


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    with Server(tmp_path / "served") as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's file system in memory, empty."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("s3://bucket/folder", True),
        ("https://host/set.zip", True),
        ("zip://*.csv::s3://bucket/a.zip", True),
        ("data/set.zip", False),
        ("/abs/a:b", False),
        ("C:/pictures", False),
        (Path("s3:/bucket"), False),
        (None, False),
    ],
)
def test_addresses(data: object, expected: bool) -> None:
    """An address begins with the name of its protocol; everything else is a path."""
    assert is_address(data) is expected


def test_shown_without_secrets() -> None:
    """Passwords and signatures are neither shown nor recorded."""
    assert shown_address("https://me:word@host/a.zip?X-Signature=abc") == "https://***@host/a.zip"
    assert shown_address("zip://a::https://host/a.zip?sig=abc") == "zip://a::https://host/a.zip"


def test_file_address(make: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file:// address is the path itself, without a copy and without fsspec."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    root = make.folders(tmp_path / "my pictures", count=4)
    assert load("folders", root.as_uri()).fingerprint == load("folders", root).fingerprint
    assert [held.kind for held in cache.usage()] == ["datasets"]


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fsspec, one line names the extra to install, and shows no password."""
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError) as refused:
        load("folders", "s3://key:secret@bucket/pictures")
    assert str(refused.value).startswith("--data s3://***@bucket/pictures needs an optional package; ")
    assert "--extra remote" in str(refused.value)


def test_folder_copied_once(make: SimpleNamespace, memory: Any, tmp_path: Path) -> None:
    """A folder is copied with its subfolders, once, and again when a file in it has changed."""
    root = make.folders(tmp_path / "here", count=6)
    memory.put(str(root), "/bucket/pictures", recursive=True)
    stages: list[tuple[str, int, int]] = []
    dataset = load("folders", "memory://bucket/pictures", progress=lambda *report: stages.append(report))
    assert dataset.fingerprint == load("folders", root).fingerprint
    assert dataset.source == "memory://bucket/pictures"
    fetched = [report for report in stages if report[0] == "fetching"]
    total = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert fetched[-1] == ("fetching", total, total)
    stages.clear()
    load("folders", "memory://bucket/pictures", progress=lambda *report: stages.append(report))
    assert stages == []
    make.save(root / "Negative" / "photo 0.JPG", seed=4711)
    memory.put_file(str(root / "Negative" / "photo 0.JPG"), "/bucket/pictures/Negative/photo 0.JPG")
    assert load("folders", "memory://bucket/pictures").fingerprint == load("folders", root).fingerprint
    assert [held.kind for held in cache.usage()].count("copied") == 2


def test_cleaned(make: SimpleNamespace, memory: Any, tmp_path: Path) -> None:
    """Copies are listed with the cache and can be removed; the data set is then copied again."""
    memory.put(str(make.folders(tmp_path / "here", count=4)), "/bucket", recursive=True)
    before = load("folders", "memory://bucket").fingerprint
    copied = [held for held in cache.usage() if held.kind == "copied"]
    assert len(copied) == 1
    assert copied[0].bytes > 1000
    cache.remove(copied[0])
    assert load("folders", "memory://bucket").fingerprint == before


def test_archive_on_the_web(make: SimpleNamespace, server: Server, tmp_path: Path) -> None:
    """An archive is fetched once, whatever follows its name, and unpacked as one that lies here."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    root = make.folders(tmp_path / "here", count=4)
    shutil.make_archive(str(tmp_path / "served" / "my set"), "zip", root)
    address = server.address("my%20set.zip?token=abc")
    dataset = load("folders", address)
    assert dataset.fingerprint == load("folders", root).fingerprint
    assert dataset.source == server.address("my%20set.zip")
    asked = len(server.asked)
    load("folders", address)
    assert [path for path in server.asked[asked:] if "zip" in path] == []


def test_earlier_copy(make: SimpleNamespace, server: Server, tmp_path: Path) -> None:
    """While the address cannot be reached, its earlier copy is taken, and a note says so."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    shutil.make_archive(str(tmp_path / "served" / "set"), "zip", make.folders(tmp_path / "here", count=4))
    address = server.address("set.zip")
    before = load("folders", address)
    (tmp_path / "served" / "set.zip").unlink()
    after = load("folders", address)
    assert after.fingerprint == before.fingerprint
    assert f"{address} cannot be read now (nothing is there); its earlier copy in the cache is used" in after.notes


def test_refused_by_the_server(server: Server) -> None:
    """Nothing there, no access and no server are told apart, and a signature is not shown."""
    pytest.importorskip("fsspec")
    pytest.importorskip("aiohttp")
    with pytest.raises(DatasetError, match=r"^folders: http.*/none\.zip cannot be read: nothing is there$"):
        load("folders", server.address("none.zip?sig=abc"))
    with pytest.raises(DatasetError, match=r"forbidden\.zip cannot be read: the server answers 403 Forbidden$"):
        load("folders", server.address("forbidden.zip?sig=abc"))
    with pytest.raises(
        DatasetError, match=r"^folders: http://127\.0\.0\.1:9/a\.zip cannot be read: Cannot connect to host"
    ) as dead:
        load("folders", "http://127.0.0.1:9/a.zip?sig=abc")
    assert "sig=abc" not in str(dead.value)
    with pytest.raises(DatasetError, match="a web address must be one of a file, such as an archive"):
        load("folders", server.address("folder/"))


def test_unknown_protocol() -> None:
    """A protocol that fsspec does not know, or has no package for, is named."""
    pytest.importorskip("fsspec")
    with pytest.raises(SettingError, match=r"--data nonsense://a is no address that can be read: .*nonsense"):
        load("folders", "nonsense://a")


def test_empty_and_missing(memory: Any) -> None:
    """An empty folder and a missing one are refused."""
    memory.makedirs("/empty")
    with pytest.raises(DatasetError, match="memory://empty holds no files"):
        load("folders", "memory://empty")
    with pytest.raises(DatasetError, match="memory://none cannot be read: nothing is there"):
        load("folders", "memory://none")


def test_hostile_names(memory: Any, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """A listing whose names would leave the folder of the copy is refused before anything is written."""
    memory.pipe("/bucket/a.png", b"1")
    listing = {"/bucket/../../evil.png": {"name": "/bucket/a.png", "size": 1}}
    monkeypatch.setattr(type(memory), "find", lambda self, path, detail: listing)
    with pytest.raises(DatasetError, match=r"holds '\.\./\.\./evil\.png', which would leave the folder"):
        load("folders", "memory://bucket")
    assert not (own_cache / "copied").exists()


def test_cut_off(memory: Any, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    """A copy that ends early is refused and not kept."""
    memory.pipe("/bucket/a.png", b"12345")

    def cut(self: Any, place: str, target: str, **words: Any) -> None:
        Path(target).write_bytes(b"123")

    monkeypatch.setattr(type(memory), "get_file", cut)
    with pytest.raises(DatasetError, match=r"could not be copied: only 3 of 5 bytes of a\.png came"):
        local_copy("folders", "memory://bucket", lambda *report: None)
    assert list((own_cache / "copied").iterdir()) == []


def test_adapters_without_data() -> None:
    """A data set that brings its own images refuses an address as it refuses a path."""
    with pytest.raises(SettingError, match="digits brings its own images and takes no --data, but got s3://a/b"):
        load("digits", "s3://a/b")
