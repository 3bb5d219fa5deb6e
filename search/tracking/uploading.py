"""Sends the files of a folder to MLflow: each once, however often that is cut, and with a look at what arrived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any


class UnusableReplyError(ConnectionError):
    """The reply is not an answer to the call, as from something else in the server's place."""


@dataclass(frozen=True)
class _SentFile:
    """A file that the server took."""

    location: str
    folder: str
    """The folder below the location, or empty."""
    name: str
    size: int
    """Size in bytes."""
    time_ns: int
    """Time of its last change, in nanoseconds."""


class Uploads:
    """Sends folders, and remembers the files that the server has of a folder that is to be sent again.

    Args:
        tracking_uri: Address of MLflow's server or local store.
        on_file: Called after each file that the server took.
    """

    def __init__(self, tracking_uri: str, on_file: Callable[[], None]) -> None:
        self._tracking_uri = tracking_uri
        self._on_file = on_file
        self._sent: set[_SentFile] = set()

    def send(self, folder: Path, location: str, below: str = "") -> None:
        """Sends the files of a folder that the server does not have yet, and makes sure that it has all.

        Args:
            folder: The local folder.
            location: Address of the artifacts that they belong to.
            below: The folder there, or empty.

        Raises:
            UnusableReplyError: If the server lacks a file that it has confirmed.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        store = get_artifact_repository(location, self._tracking_uri)
        sizes: dict[str, dict[str, int]] = {}
        refusal: Exception | None = None
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            there = (PurePosixPath(below) / path.parent.relative_to(folder).as_posix()).as_posix()
            target, facts = "" if there == "." else there, path.stat()
            file = _SentFile(location, target, path.name, facts.st_size, facts.st_mtime_ns)
            if file not in self._sent:
                try:
                    store.log_artifact(str(path), target or None)
                except Exception as error:
                    if getattr(error, "response", None) is None:
                        raise
                    # The server answers, and may take the other files.
                    refusal = refusal or error
                    continue
                self._sent.add(file)
                self._on_file()
            sizes.setdefault(target, {})[path.name] = facts.st_size
        self._make_sure(store, location, sizes)
        if refusal is not None:
            raise refusal

    def _make_sure(self, store: Any, location: str, sizes: Mapping[str, Mapping[str, int]]) -> None:
        for target, wanted in sizes.items():
            found = {PurePosixPath(file.path).name: file.file_size for file in store.list_artifacts(target or None)}
            lost = {name for name, size in wanted.items() if name not in found or found[name] not in (None, size)}
            if lost:
                # Only these are sent again.
                self._sent = {
                    file
                    for file in self._sent
                    if (file.location, file.folder) != (location, target) or file.name not in lost
                }
                raise UnusableReplyError(f"the server confirmed files that it does not have: {', '.join(sorted(lost))}")

    def forget(self) -> None:
        """Forgets the files sent so far, as when their folder is done with."""
        self._sent.clear()
