"""The opening of the test split by a promotion, and the record of it.

Only an export with `--data` reads test images, too: it compares formats on them, and is not recorded.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import ImageDataset, Images, Labels

RECORD_FILE = "test_openings.jsonl"


@dataclass(frozen=True, eq=False)
class OpenedTest:
    """The test rows of a data set."""

    images: Images
    """uint8 (n, height, width, channels)."""

    labels: Labels
    """In the form of the task."""

    origins: NDArray[np.str_]
    openings: int
    """Number of times that promotions of the study have opened the test split, this time included."""


def open_test_split(dataset: ImageDataset, study_folder: Path, purpose: str) -> OpenedTest:
    """Records in the study's folder that the test images are opened, and reads them.

    Each look at the test split makes its scores a little less trustworthy.

    Args:
        dataset: The data set.
        study_folder: The study's folder.
        purpose: Reason for opening them, in a few words.
    """
    record = {"time": time.time(), "fingerprint": dataset.fingerprint, "purpose": purpose}
    path = study_folder / RECORD_FILE
    study_folder.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())
    rows = dataset.test
    labels = dataset.scored_labels("test")
    return OpenedTest(dataset.images[rows], labels, dataset.origins[rows], count_openings(study_folder))


def count_openings(study_folder: Path) -> int:
    """Returns the number of times that promotions of the study have opened the test split."""
    path = study_folder / RECORD_FILE
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
