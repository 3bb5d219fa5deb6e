"""Fetching from a local server that can break off, and can change or damage its file."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from apertune.datasets.adapters import fetching
from apertune.datasets.adapters.fetching import Download, download, fetch
from apertune.errors import ApertuneError, MissingExtraError

CONTENT = bytes(range(256)) * 4000


class Server(ThreadingHTTPServer):
    """Serves one file, and notes the ranges of it that are asked for."""

    content = CONTENT
    break_after: int | None = None
    """Bytes after which each reply ends."""
    etag = '"one"'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ranges: list[str | None] = []

    def origin(self, md5: str | None = None, path: str = "file.tar") -> Download:
        return Download(f"http://127.0.0.1:{self.server_port}/{path}", "file.tar", md5, pause_seconds=0.01)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.path != "/file.tar":
            self.send_error(404)
            return
        continues = asked is not None and self.headers.get("If-Range") == self.server.etag
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and continues else 0
        body = self.server.content[start:]
        self.send_response(206 if continues else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.server.etag)
        self.end_headers()
        self.wfile.write(body[: self.server.break_after])

    def log_message(self, *words: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "fetched").mkdir()
    return tmp_path / "fetched" / "file.tar"


def _silent(stage: str, done: int, total: int) -> None:
    return


def test_download(server: Server, target: Path) -> None:
    """A file is fetched once and whole, with its checksum verified and its progress reported."""
    reports: list[tuple[str, int, int]] = []
    origin = server.origin(hashlib.md5(CONTENT).hexdigest())
    for _ in range(2):
        download(origin, target, lambda *report: reports.append(report))
    assert target.read_bytes() == CONTENT
    assert reports[-1] == ("fetching", len(CONTENT), len(CONTENT))
    assert server.ranges == [None]
    assert [path.name for path in target.parent.iterdir()] == ["file.tar"]


def test_resumed(server: Server, target: Path) -> None:
    """A connection that breaks off is continued where it stopped."""
    server.break_after = 400_000
    download(server.origin(hashlib.md5(CONTENT).hexdigest()), target, _silent)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=400000-", "bytes=800000-"]


def test_changed_meanwhile(server: Server, target: Path) -> None:
    """A file that changed on the server between two attempts is fetched from the start, not glued together."""
    server.break_after = 1000
    with pytest.raises(OSError, match="connection ended"):
        download(server.origin(), target, _silent)
    server.content, server.etag, server.break_after = CONTENT[::-1], '"two"', None
    download(server.origin(), target, _silent)
    assert target.read_bytes() == CONTENT[::-1]


def test_wrong_checksum(server: Server, target: Path) -> None:
    """A file whose checksum is not the published one is deleted."""
    with pytest.raises(ApertuneError, match="does not have its published checksum"):
        download(server.origin(md5="0" * 32), target, _silent)
    assert list(target.parent.iterdir()) == []


def test_by_hand(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server has no such file, the message says how to get it by hand and where to put it."""
    monkeypatch.setitem(fetching.ORIGINS, "voc2012", server.origin(path="gone"))
    with pytest.raises(ApertuneError) as caught:
        fetch("voc2012", tmp_path / "data", _silent)
    assert "By hand: get it from http://host.robots.ox.ac.uk" in str(caught.value)
    assert f"--data {tmp_path / 'data' / 'file.tar'}" in str(caught.value)


def test_kaggle_client_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Kaggle's client the message names the command that installs it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"uv sync --extra kaggle \(without uv: pip install '\.\[kaggle\]'\)"):
        fetch("fer2013", tmp_path / "data", _silent)


def test_kaggle_client_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When Kaggle's client fails, the message shows its last line and how to get the data by hand."""
    client = tmp_path / "kaggle"
    client.write_text("#!/bin/sh\necho could not find kaggle.json >&2\nexit 1\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ApertuneError, match=r"could not find kaggle\.json.*By hand: get it from https://www\.kaggle"):
        fetch("simpsons", tmp_path / "data", _silent)
