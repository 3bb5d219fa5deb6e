"""Whether an exported file answers as the original does, measured in a fresh process by the format's own runtime."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Images, Labels
from ...datasets.cache.decoding import PixelFormat, resize_array
from ...errors import ApertuneError
from ..evaluation.decisions import answers
from ..models.contract import ModelContract
from .formats import Artifact, Precision
from .graph import has_any_size

Probabilities = NDArray[np.float32]

# Largest difference of a probability, and smallest share of equal answers, that passes.
TOLERANCES: dict[Precision, tuple[float, float]] = {
    "float32": (1e-4, 0.99),
    "float16": (2e-2, 0.97),
    "int8": (0.25, 0.9),
}
# Resizing rounds to whole grey levels, so one in a hundred pixels may differ by one level.
_ANY_SIZE_TOLERANCE = 2e-2
_ANY_SIZE_IMAGES = 6
_TIMEOUT_S = 600


@dataclass(frozen=True, eq=False)
class ParityImages:
    """What the formats are compared on. pixels: uint8 (n, height, width, channels). labels: in the form of the
    data set's, when known. source: what they are, for the report."""

    pixels: Images
    labels: Labels | None = None
    source: str = "generated noise"


@dataclass(frozen=True)
class ParityRow:
    """One format against the original.

    largest_difference: of any probability, 0 to 1; any_size_difference: the same for images of other sizes,
    None where the format takes none. equal_answers: share, 0 to 1; of multi-label data each class is an answer.
    ms: milliseconds an image, one at a time, on the CPU. size_mb: 10^6 bytes. accuracy, accuracy_loss: share of
    right answers on the labelled images, and how much of the original's is lost; None without labels.
    problem: why it does not pass, or None. note: what whoever runs the file himself has to know, or None.
    """

    format: str
    file: str
    precision: Precision
    largest_difference: float
    any_size_difference: float | None
    equal_answers: float
    ms: float
    size_mb: float
    accuracy: float | None
    accuracy_loss: float | None
    problem: str | None
    note: str | None = None


def generated_images(contract: ModelContract, count: int = 32) -> ParityImages:
    """Noise of four coarsenesses: for models whose data is not at hand. Reproducible."""
    generator = np.random.default_rng(0)
    height, width, channels = contract.image_shape
    images = []
    for row in range(count):
        block = 2 ** (row % 4)
        coarse = generator.integers(0, 256, (-(-height // block), -(-width // block), channels), dtype=np.uint8)
        images.append(coarse.repeat(block, axis=0).repeat(block, axis=1)[:height, :width])
    return ParityImages(np.stack(images))


def other_sizes(images: ParityImages, contract: ModelContract) -> tuple[list[Images], Images]:
    """RGB images of other sizes, uint8 (any, any, 3) each, and the same resized by Pillow: uint8 (n, h, w, c)."""
    from PIL import Image

    size, _, channels = contract.image_shape
    pixel_format = PixelFormat(size, 1 if channels == 1 else 3, contract.resize)
    generator = np.random.default_rng(1)
    resized = []
    for pixels in images.pixels[:_ANY_SIZE_IMAGES]:
        width, height = generator.integers(max(2, size // 2), 4 * size, 2).tolist()
        picture = Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).convert("RGB")
        resized.append(np.asarray(picture.resize((width, height))))
    return resized, np.stack([resize_array(pixels, pixel_format) for pixels in resized])


class Comparison:
    """The original's answers, and the images they are for, ready to be compared with each artifact's."""

    def __init__(self, original: Any, contract: ModelContract, images: ParityImages, scratch: Path) -> None:
        """original: a function from uint8 pixels to probabilities. scratch: a folder for the exchange."""
        self.contract = contract
        self.images = images
        self.scratch = scratch
        self.expected: Probabilities = original(images.pixels)
        arrays = {"pixels": images.pixels}
        if has_any_size(contract):
            sizes, resized = other_sizes(images, contract)
            self.expected_any: Probabilities = original(resized)
            arrays |= {f"any_{row}": pixels for row, pixels in enumerate(sizes)}
        np.savez(scratch / "images.npz", **arrays)  # type: ignore[arg-type]  # see measure.py

    def row(self, folder: Path, artifact: Artifact) -> ParityRow:
        """Loads the artifact in a fresh process and compares. Raises ApertuneError when it does not load."""
        measured = self._measure(folder, artifact)
        difference = _largest(measured["probabilities"], self.expected)
        any_size = _largest(measured["any_size"], self.expected_any) if "any_size" in measured else None
        equal = self._equal_answers(measured["probabilities"])
        accuracy, original = self._accuracy(measured["probabilities"]), self._accuracy(self.expected)
        return ParityRow(
            artifact.format,
            artifact.file,
            artifact.precision,
            difference,
            any_size,
            equal,
            float(measured["ms"]),
            _bytes(folder / artifact.file) / 1e6,
            accuracy,
            None if accuracy is None or original is None else original - accuracy,
            _problem(artifact.precision, difference, any_size, equal),
            str(measured["note"]) or None,
        )

    def _measure(self, folder: Path, artifact: Artifact) -> dict[str, Any]:
        task = {
            "folder": str(folder),
            "file": artifact.file,
            "any_size_file": artifact.any_size_file,
            "runtime": artifact.runtime,
            "images": str(self.scratch / "images.npz"),
            "answers": str(self.scratch / "answers.npz"),
        }
        (self.scratch / "task.json").write_text(json.dumps(task), encoding="utf-8")
        # Measured on the CPU, so that figures of runtimes compare and a search's GPU is left alone.
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONSAFEPATH": "1"}
        run = subprocess.run(
            [sys.executable, "-m", "apertune.search.export.measure", str(self.scratch / "task.json")],
            cwd=self.scratch,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if run.returncode != 0:
            reason = (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
            reason = re.sub(r"^[\w.]+Error: ", "", reason).replace(f"{folder}{os.sep}", "")
            raise ApertuneError(f"the exported {artifact.file} does not load in {artifact.runtime}: {reason[:300]}")
        with np.load(self.scratch / "answers.npz") as arrays:
            return dict(arrays)

    def _equal_answers(self, probabilities: Probabilities) -> float:
        like = self.images.labels if self.images.labels is not None else self._form()
        thresholds = np.array(self.contract.class_thresholds())
        return float((answers(like, probabilities, thresholds) == answers(like, self.expected, thresholds)).mean())

    def _accuracy(self, probabilities: Probabilities) -> float | None:
        labels = self.images.labels
        if labels is None:
            return None
        thresholds = np.array(self.contract.class_thresholds())
        return float((answers(labels, probabilities, thresholds) == labels).mean())

    def _form(self) -> Labels:
        """Labels of no meaning, which tell `answers` the task by their form."""
        return np.zeros((1, 1) if self.contract.task == "multilabel" else 1, np.uint8)


def _problem(precision: Precision, difference: float, any_size: float | None, equal: float) -> str | None:
    most, least = TOLERANCES[precision]
    # Written so that NaN fails.
    if not difference <= most:
        return f"a probability differs by {difference:.2g}, more than {most:g}"
    if not equal >= least:
        return f"only {equal:.1%} of the answers are equal, less than {least:.0%}"
    if any_size is not None and not any_size <= _ANY_SIZE_TOLERANCE:
        return f"for images of other sizes a probability differs by {any_size:.2g}, more than {_ANY_SIZE_TOLERANCE:g}"
    return None


def _largest(given: Probabilities, expected: Probabilities) -> float:
    return float(np.abs(given - expected).max()) if given.shape == expected.shape else float("nan")


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    return sum(file.stat().st_size for file in files)
