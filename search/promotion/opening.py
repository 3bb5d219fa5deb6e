"""The one place where the test split is opened."""

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
    """The test rows: images uint8 (n, height, width, channels), labels as the task has them.

    openings: how often this study's test split has been opened, this time included.
    """

    images: Images
    labels: Labels
    origins: NDArray[np.str_]
    openings: int


def open_test_split(dataset: ImageDataset, study_folder: Path, purpose: str) -> OpenedTest:
    """Reads the test images, after recording in the study's folder that they were opened, and what for.

    Each look at the test split makes its scores a little less of a surprise, so none goes unrecorded.
    """
    record = {"time": time.time(), "fingerprint": dataset.fingerprint, "purpose": purpose}
    path = study_folder / RECORD_FILE
    study_folder.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())
    rows = dataset.test
    return OpenedTest(dataset.images[rows], dataset.labels[rows], dataset.origins[rows], count_openings(study_folder))


def count_openings(study_folder: Path) -> int:
    """How often the study's test split was opened."""
    path = study_folder / RECORD_FILE
    return len(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else 0


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
