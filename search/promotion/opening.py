"""The opening of test images, by promotions and by exports that read them, and the record of it.

Each look at test images makes the scores on them a little less trustworthy, whatever study, name or split they are
opened under. So a record holds the images themselves, as keys, and whoever opens some of them again is counted.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import ImageDataset, Images, Labels
from ...files.private import private_files
from ...files.replacing import replacing
from ..evaluation.significance import SIGNIFICANT
from ..settings import Home
from .row_keys import RowKeys, known_among, row_keys

# Before images were counted, each study counted by itself.
EARLIER_FILE = "test_openings.jsonl"
# An earlier opening counts from this share of the test images on: splits drawn anew share some by chance.
SHARE = 0.1


@dataclass(frozen=True, eq=False)
class OpenedTest:
    """The test rows of a data set."""

    images: Images
    """uint8 (n, height, width, channels)."""

    labels: Labels
    """In the form of the task."""

    origins: NDArray[np.str_]
    openings: int
    """Number of times that these images have been opened, this time included."""


def open_test_split(dataset: ImageDataset, home: Home, purpose: str) -> OpenedTest:
    """Records that the test images are opened, and reads them.

    Args:
        dataset: The data set.
        home: Where results are; the record lies there.
        purpose: Reason for opening them, in a few words.
    """
    openings = record_opening(dataset, home, purpose)
    rows = dataset.test
    return OpenedTest(dataset.images[rows], dataset.scored_labels("test"), dataset.origins[rows], openings)


@private_files()
def record_opening(dataset: ImageDataset, home: Home, purpose: str) -> int:
    """Records that the test images are opened; returns how often they have been, this time included."""
    words = {
        "time": time.time(),
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "purpose": purpose,
    }
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    keys = row_keys(dataset, dataset.test)
    with replacing(folder / f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.npz", durable=True) as file:
        np.savez_compressed(file, allow_pickle=False, keys=keys, words=np.array(json.dumps(words)))
    return _count(home, dataset.fingerprint, keys)


def count_openings(dataset: ImageDataset, home: Home) -> int:
    """Returns how often the test images of a data set have been opened."""
    return _count(home, dataset.fingerprint, row_keys(dataset, dataset.test))


def level_after(openings: int) -> float:
    """Returns the level for the p-value of a promotion, the number of openings with its own given.

    The levels of all openings, of any number, sum to twice 0.05. A challenger must also be the better one, and an
    equal one is that half of the time, so that in all promotions together an equal challenger passes with a chance of
    at most 0.05. The first level is 0.05 itself. Source: Foster and Stine, "Alpha-investing" (2008), of which this is
    the plain spending of a fixed sum.
    """
    return 2 * SIGNIFICANT / (openings * (openings + 1))


def times(count: int) -> str:
    """Returns a number of times in words."""
    return "once" if count == 1 else f"{count} times"


def _count(home: Home, fingerprint: str, keys: RowKeys) -> int:
    return sum(_shares(file, keys) for file in _folder(home).glob("*.npz")) + _earlier(home, fingerprint)


def _shares(file: Path, keys: RowKeys) -> bool:
    """Returns whether an opening was of some of these images; true of a record that cannot be read."""
    try:
        with np.load(file, allow_pickle=False) as saved:
            return bool(known_among(keys, saved["keys"]).mean() >= SHARE)
    except (OSError, ValueError, KeyError, EOFError, IndexError, BadZipFile):
        return True


def _earlier(home: Home, fingerprint: str) -> int:
    """Counts the openings that studies recorded one by one."""
    count = 0
    for file in (home.root / "studies").glob(f"*/{EARLIER_FILE}"):
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                count += json.loads(line).get("fingerprint") == fingerprint
            except (ValueError, AttributeError):
                count += 1
    return count


def _folder(home: Home) -> Path:
    return home.root / "test_openings"
