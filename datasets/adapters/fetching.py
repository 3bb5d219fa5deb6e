"""Downloads data sets from their official sources.

pooch (1.9) is no substitute: it deletes the part that an interrupted download has fetched, and starts again from the
first byte. VOC2012 is a file of 2 GB on a slow server.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

import tenacity

from ...errors import ApertuneError, MissingExtraError, SettingError
from ..base import Progress
from .registry import find_adapter

_ATTEMPTS = 5
_SECONDS_BETWEEN = 2.0
_TIMEOUT_SECONDS = 60
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Download:
    """A file on a server."""

    url: str
    filename: str
    md5: str | None = None
    """The checksum in hexadecimal, as the owner publishes it; None when the owner publishes none."""
    sha256: str | None = None
    """The same, for those who publish this checksum."""
    pause_seconds: float = _SECONDS_BETWEEN
    """The pause between two attempts."""


@dataclass(frozen=True)
class DownloadedFolder:
    """Several files on servers that make one data set."""

    filename: str
    """The name of the folder for them."""
    files: tuple[Download, ...]


@dataclass(frozen=True)
class KaggleDataset:
    """A data set on Kaggle, fetched by Kaggle's client with the user's own credentials."""

    slug: str
    """Owner and name, as in `owner/name`."""

    @property
    def filename(self) -> str:
        """The name under which Kaggle's client saves the archive."""
        return f"{self.slug.partition('/')[2]}.zip"


# The places that Keras itself gets its built-in data sets from, with the checksums that it publishes.
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_CIFAR = "https://www.cs.toronto.edu/~kriz/"

ORIGINS: dict[str, Download | DownloadedFolder | KaggleDataset] = {
    "cifar10": Download(
        f"{_CIFAR}cifar-10-python.tar.gz",
        "cifar-10-python.tar.gz",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    ),
    "cifar100": Download(
        f"{_CIFAR}cifar-100-python.tar.gz",
        "cifar-100-python.tar.gz",
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    ),
    "fashion_mnist": DownloadedFolder(
        "fashion-mnist",
        tuple(
            Download(f"{_KERAS}{file}", file)
            for file in (
                "train-labels-idx1-ubyte.gz",
                "train-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
            )
        ),
    ),
    "mnist": Download(
        f"{_KERAS}mnist.npz",
        "mnist.npz",
        sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    ),
    "fer2013": KaggleDataset("deadskull7/fer2013"),
    "simpsons": KaggleDataset("alexattia/the-simpsons-characters-dataset"),
    "voc2012": Download(
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "VOCtrainval_11-May-2012.tar",
        md5="6cd6e144f989b92b3379bac3b3de84fd",
    ),
}


def fetch(name: str, folder: Path, progress: Progress) -> Path:
    """Fetches a data set's archive, unless the folder holds it already.

    Args:
        name: The name of an adapter.
        folder: The folder for the archive, created when missing.
        progress: Called with the stage "fetching", the bytes fetched so far and their total.

    Returns:
        The path of the archive, or of the folder of a data set that is several files.

    Raises:
        SettingError: The data set cannot be fetched.
        ApertuneError: The server does not answer, and the message says how to get the archive by hand; or the archive
            does not have its published checksum.
        MissingExtraError: The data set is on Kaggle, and Kaggle's client is not installed.
    """
    entry = find_adapter(name)
    origin = ORIGINS.get(name)
    if origin is None:
        need = "reads your own files: --data PATH" if entry.needs_data else "needs no download"
        raise SettingError(f"{name} {need}; data sets that can be fetched: {', '.join(sorted(ORIGINS))}")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / origin.filename
    try:
        if isinstance(origin, Download):
            download(origin, target, progress)
        elif isinstance(origin, DownloadedFolder):
            target.mkdir(exist_ok=True)
            for file in origin.files:
                download(file, target / file.filename, progress)
        else:
            _from_kaggle(origin, folder)
    except (OSError, HTTPException) as error:
        files = ", ".join(file.filename for file in origin.files) if isinstance(origin, DownloadedFolder) else "it"
        where = f"them in {target}" if isinstance(origin, DownloadedFolder) else f"it as {target}"
        raise ApertuneError(
            f"{name} cannot be fetched: {error}. By hand: get {files} from {entry.home}, save {where}, "
            f"and continue with --data {target}"
        ) from error
    return target


def download(origin: Download, target: Path, progress: Progress) -> None:
    """Downloads a file, continuing where an earlier attempt stopped, and renames it to `target` when it is complete.

    Raises:
        OSError: The server does not answer.
        ApertuneError: The checksum is wrong.
    """
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_fixed(origin.pause_seconds),
        reraise=True,
    )
    attempts(_continue, origin.url, part, progress)
    for algorithm, published in (("md5", origin.md5), ("sha256", origin.sha256)):
        if published is not None and _checksum(part, algorithm) != published:
            part.unlink()
            raise ApertuneError(f"{origin.filename} does not have its published checksum {published}; fetch it again")
    part.replace(target)


def _may_pass(error: BaseException) -> bool:
    """Returns whether another attempt may succeed; after a refusal by the server none can."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500
    return isinstance(error, OSError | HTTPException)


def _continue(url: str, part: Path, progress: Progress) -> None:
    """Fetches what `part` lacks; a file that has changed on the server since then is fetched from the start."""
    tag = part.with_name(part.name + ".tag")
    have = part.stat().st_size if part.exists() and tag.exists() else 0
    headers = {"Range": f"bytes={have}-", "If-Range": tag.read_text()} if have else {}
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        complete = error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}"
        error.close()
        if complete:
            return
        raise
    with response:
        if response.status != 206:
            have = 0
            _remember(tag, response.headers.get("ETag") or response.headers.get("Last-Modified"))
        total = have + int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if have else "wb") as file:
            _copy(response, file, have, total, progress)
    if total and part.stat().st_size < total:
        raise ConnectionError(f"the connection ended after {part.stat().st_size} of {total} bytes")
    tag.unlink(missing_ok=True)


def _remember(tag: Path, version: str | None) -> None:
    """Records the version of the file being fetched; without a strong one, the download cannot be continued later."""
    if version is None or version.startswith("W/"):
        tag.unlink(missing_ok=True)
    else:
        tag.write_text(version)


def _copy(response: IO[bytes], file: IO[bytes], done: int, total: int, progress: Progress) -> None:
    while piece := response.read(_PIECE_BYTES):
        file.write(piece)
        done += len(piece)
        progress("fetching", done, max(total, done))


def _checksum(path: Path, algorithm: str) -> str:
    # hashlib.file_digest would need Python 3.11.
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _from_kaggle(origin: KaggleDataset, folder: Path) -> None:
    """Runs Kaggle's client, which continues interrupted downloads itself.

    Raises:
        OSError: The client fails.
        MissingExtraError: The client is not installed.
    """
    if (folder / origin.filename).exists():
        return
    client = shutil.which("kaggle")
    if client is None:
        raise MissingExtraError("fetching from Kaggle", "kaggle")
    command = [client, "datasets", "download", "--dataset", origin.slug, "--path", str(folder)]
    finished = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if finished.returncode != 0 or not (folder / origin.filename).exists():
        lines = finished.stderr.strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        raise OSError(f"Kaggle's client failed ({reason}); it needs your API token, see kaggle.com/settings")
