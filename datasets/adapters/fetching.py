"""Gets data sets from where they officially live."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from ...errors import ApertuneError, MissingExtraError, SettingError
from ..base import Progress
from .registry import find_adapter

_ATTEMPTS = 5
_SECONDS_BETWEEN = 2.0
_TIMEOUT_SECONDS = 60
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Download:
    """A file on a server. md5: hexadecimal, as the owner publishes it, or None. pause_seconds: between attempts."""

    url: str
    filename: str
    md5: str | None = None
    pause_seconds: float = _SECONDS_BETWEEN


@dataclass(frozen=True)
class KaggleDataset:
    """A data set on Kaggle, fetched by Kaggle's client with the user's own credentials. slug: "owner/name"."""

    slug: str

    @property
    def filename(self) -> str:
        return f"{self.slug.partition('/')[2]}.zip"


ORIGINS: dict[str, Download | KaggleDataset] = {
    "fer2013": KaggleDataset("deadskull7/fer2013"),
    "simpsons": KaggleDataset("alexattia/the-simpsons-characters-dataset"),
    "voc2012": Download(
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "VOCtrainval_11-May-2012.tar",
        md5="6cd6e144f989b92b3379bac3b3de84fd",
    ),
}


def fetch(name: str, folder: Path, progress: Progress) -> Path:
    """Fetches a data set's archive into `folder` and returns its path; a complete one is not fetched again.

    Raises SettingError when the set has no place to be fetched from, ApertuneError with the way to do it by hand
    when that place does not answer, and MissingExtraError without Kaggle's client.
    """
    entry = find_adapter(name)
    origin = ORIGINS.get(name)
    if origin is None:
        need = "takes files of your own: --data PATH" if entry.needs_data else "needs no download"
        raise SettingError(f"{name} {need}; these can be fetched: {', '.join(sorted(ORIGINS))}")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / origin.filename
    try:
        if isinstance(origin, Download):
            download(origin, target, progress)
        else:
            _from_kaggle(origin, folder)
    except (OSError, HTTPException) as error:
        raise ApertuneError(
            f"{name} cannot be fetched: {error}. By hand: get it from {entry.home}, save it as {target}, "
            f"and go on with --data {target}"
        ) from error
    return target


def download(origin: Download, target: Path, progress: Progress) -> None:
    """Downloads to `target`, going on where an earlier attempt stopped; renamed into place when complete.

    Raises OSError when the server does not answer, ApertuneError when the checksum is wrong.
    """
    if target.exists():
        return
    part = target.with_name(target.name + ".part")
    for attempt in range(_ATTEMPTS):
        try:
            _continue(origin.url, part, progress)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == _ATTEMPTS - 1:
                raise
        except (OSError, HTTPException):
            if attempt == _ATTEMPTS - 1:
                raise
        time.sleep(origin.pause_seconds)
    if origin.md5 is not None and _md5(part) != origin.md5:
        part.unlink()
        raise ApertuneError(f"{origin.filename} does not have its published checksum {origin.md5}; fetch it again")
    part.replace(target)


def _continue(url: str, part: Path, progress: Progress) -> None:
    """Fetches what is missing of `part`. A file that changed on the server since is fetched from the start."""
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
    """Notes which version of the file is being fetched; without one, no later attempt continues it."""
    if version is None or version.startswith("W/"):
        tag.unlink(missing_ok=True)
    else:
        tag.write_text(version)


def _copy(response: IO[bytes], file: IO[bytes], done: int, total: int, progress: Progress) -> None:
    while piece := response.read(_PIECE_BYTES):
        file.write(piece)
        done += len(piece)
        progress("fetching", done, max(total, done))


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _from_kaggle(origin: KaggleDataset, folder: Path) -> None:
    """Runs Kaggle's client, which resumes and shows its own progress. Raises OSError when it fails."""
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
