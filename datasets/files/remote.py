"""Copies data at an address, such as s3://bucket/folder or https://host/set.zip, into the cache with fsspec."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from ...errors import ApertuneError, DatasetError, MissingExtraError, SettingError
from ...text import first_line, hidden_address, remember_address
from ..base import Progress
from ..cache.entries import copied_folder, latest_copy

EXTRA = "remote"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")
_WEB = ("http", "https")
# The facts that file systems give of a file, and that change when its content does.
_VERSION = (
    "size", "ETag", "etag", "mtime", "LastModified", "last_modified", "Last-Modified", "updated", "created",
    "Content-MD5", "Digest", "md5Hash", "generation", "VersionId",
)  # fmt: skip


@dataclass(frozen=True)
class LocalCopy:
    """Data that has been copied to this machine."""

    path: Path
    """The folder or file."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""


def is_address(data: object) -> bool:
    """Returns whether what was given as data is an address, not a path."""
    return isinstance(data, str) and _ADDRESS.match(data) is not None


def shown_address(address: str) -> str:
    """An address as it may be shown and recorded: without user, password and query, which may be a signature."""
    return "::".join(part.partition("?")[0] for part in hidden_address(address).split("::"))


def local_copy(name: str, address: str, progress: Progress) -> LocalCopy:
    """Copies data into the cache, unless it is there and has not changed since.

    Where the address cannot be reached, an earlier copy is taken, with a note.

    Args:
        name: The data set, for messages.
        address: The address of a folder, a file or an archive, as fsspec reads it.
        progress: Called with the stage "fetching", the bytes copied so far and their total.

    Raises:
        MissingExtraError: fsspec is not installed.
        SettingError: fsspec does not know such addresses, or lacks the package for them.
        DatasetError: There is nothing at the address, or it may not be read.
    """
    shown = shown_address(address)
    remember_address(address)
    if urlsplit(address).scheme == "file" and "::" not in address:
        return LocalCopy(Path(unquote(urlsplit(address).path)))
    system, place = _file_system(name, address, shown)
    key = hashlib.sha256(address.encode()).hexdigest()[:20]
    try:
        files, version = _listed(name, system, place, shown)
    except DatasetError:
        raise
    # Every file system raises errors of its own.
    except Exception as error:
        earlier = latest_copy(key)
        if earlier is None:
            raise DatasetError(f"{name}: {shown} cannot be read: {_reason(error)}") from error
        note = f"{shown} cannot be read now ({_reason(error)}); its earlier copy in the cache is used"
        return LocalCopy(_root(earlier), (note,))

    def fill(folder: Path) -> None:
        try:
            _copy(system, files, folder, progress)
        except ApertuneError:
            raise
        except Exception as error:
            raise DatasetError(f"{name}: {shown} could not be copied: {_reason(error)}") from error

    return LocalCopy(_root(copied_folder(key, version, fill)))


def _file_system(name: str, address: str, shown: str) -> tuple[Any, str]:
    """The file system of an address, and the place in it.

    Raises:
        MissingExtraError: fsspec is not installed.
        SettingError: It does not know such addresses, or lacks the package for them.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"--data {shown}", EXTRA) from error
    try:
        system, place = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise SettingError(f"{name}: --data {shown} needs another package: {_reason(error)}") from error
    except ValueError as error:
        raise SettingError(f"{name}: --data {shown} is no address that can be read: {_reason(error)}") from error
    # A file system may sign in as it is made.
    except Exception as error:
        raise DatasetError(f"{name}: {shown} cannot be read: {_reason(error)}") from error
    return system, place


def _listed(name: str, system: Any, place: str, shown: str) -> tuple[dict[str, Mapping[str, Any]], str]:
    """The files at a place, by the path that their copies will have; and a text that changes when one of them does."""
    protocols = (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)
    web = any(protocol in _WEB for protocol in protocols)
    # A web server is not asked for its listing: that would fetch the whole file.
    if web and place.endswith("/"):
        raise DatasetError(f"{name}: a web address must be one of a file, such as an archive, but got {shown}")
    system.invalidate_cache()
    facts = system.info(place)
    if web or facts.get("type") != "directory":
        named = PurePosixPath(unquote(urlsplit(place).path if web else place)).name
        found: dict[str, Mapping[str, Any]] = {named: {"name": place, **facts}}
    else:
        listed = system.find(place, detail=True)
        start = place.rstrip("/") + "/"
        found = {path.removeprefix(start).lstrip("/"): {"name": path, **each} for path, each in listed.items()}
    if not found:
        raise DatasetError(f"{name}: {shown} holds no files")
    for path in found:
        _check_path(name, path, shown)
    versions = [(path, *(str(each.get(fact)) for fact in _VERSION)) for path, each in sorted(found.items())]
    return found, repr(versions)


def _check_path(name: str, path: str, shown: str) -> None:
    """Refuses a path that would leave the folder of the copy."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise DatasetError(f"{name}: {shown} holds '{path}', which would leave the folder of its copy")


def _copy(system: Any, files: Mapping[str, Mapping[str, Any]], folder: Path, progress: Progress) -> None:
    from fsspec.callbacks import Callback

    total = sum(int(facts.get("size") or 0) for facts in files.values())

    class Counting(Callback):  # type: ignore[misc]
        """Passes on the bytes copied so far."""

        done = 0

        def relative_update(self, inc: int = 1) -> None:
            Counting.done += inc
            progress("fetching", Counting.done, max(total, Counting.done))

    for path, facts in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        system.get_file(facts["name"], str(target), callback=Counting())
        size = facts.get("size")
        if size is not None and target.is_file() and target.stat().st_size != int(size):
            raise ConnectionError(f"only {target.stat().st_size} of {size} bytes of {posixpath.basename(path)} came")


def _root(folder: Path) -> Path:
    """The copy itself: the only file, or else the folder."""
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_file() else folder


def _reason(error: BaseException) -> str:
    """One line; some of these errors hold only the address that was asked for."""
    cause = error.__cause__
    # For any failure, fsspec says of a file on the web that it is not found, and gives the cause.
    known = isinstance(cause, OSError) or getattr(cause, "status", 404) != 404
    if cause is not None and known and isinstance(error, FileNotFoundError):
        error = cause
    kinds: tuple[tuple[type[BaseException], str], ...] = (
        (FileNotFoundError, "nothing is there"),
        (PermissionError, "access is denied; sign in as its own tools ask for it"),
        (TimeoutError, "it does not answer"),
    )
    for kind, words in kinds:
        if isinstance(error, kind):
            return words
    if hasattr(error, "status") and hasattr(error, "message"):
        return f"the server answers {error.status} {error.message}".strip()
    # The query of an address may hold a signature.
    return re.sub(r"(\w://[^\s'\"?]*)\?[^\s'\")]*", r"\1", first_line(error))
