"""Compares the answers of an exported file, opened in a fresh process by its own runtime, with the original's."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.base import Images, Labels
from ...datasets.cache.decoding import PixelFormat, resize_array
from ...errors import ApertuneError
from ...processes import child_environment, module_command
from ..evaluation.decisions import Probabilities, answers
from ..models.contract import ModelContract
from .formats import FORMATS, ExportFormat, Precision, Variant
from .graph import has_any_size

# Resizing rounds to whole grey levels, so one in a hundred pixels may differ by one level.
_ANY_SIZE_TOLERANCE = 2e-2
_ANY_SIZE_IMAGES = 6
_TIMEOUT_S = 600
_TWO_SIDED_95 = 1.96
# The accuracy that int8 may cost, as far as the images can tell; equal answers alone let every tenth change for worse.
_MOST_LOST = 0.05


@dataclass(frozen=True, eq=False)
class ParityImages:
    """The images that the formats are compared on."""

    pixels: Images
    """uint8 (n, height, width, channels)."""
    labels: Labels | None = None
    """Their labels, in the form of the data set's; None when they are not known."""
    source: str = "generated noise"
    """Source of the images, for the report."""


@dataclass(frozen=True)
class ParityRow:
    """One exported file compared with the original."""

    format: str
    """Name of the format in `FORMATS`."""
    file: str
    """Name of the file or folder in the export folder."""
    precision: Precision
    """Type of its weights."""
    largest_difference: float
    """Largest difference of a probability, 0 to 1."""
    any_size_difference: float | None
    """The same for images of other sizes; None where the file takes none."""
    equal_answers: float
    """Share of equal answers, 0 to 1; of multi-label data each class is an answer."""
    ms: float
    """Milliseconds per image, one at a time, on the CPU."""
    size_mb: float
    """Size in 10^6 bytes."""
    accuracy: float | None
    """Share of right answers on the labelled images, 0 to 1; None without labels."""
    accuracy_loss: float | None
    """The original's accuracy less this one; None without labels."""
    accuracy_loss_low: float | None
    """Lower end of the 95 % interval of that loss."""
    accuracy_loss_high: float | None
    """Upper end of that interval, by which int8 is judged."""
    problem: str | None
    """Reason why it does not pass; None when it does."""
    note: str | None = None
    """Advice to a user who runs the file without Apertune, if there is any."""


def generated_images(contract: ModelContract, count: int = 32) -> ParityImages:
    """Makes noise of four coarsenesses, for models whose data is not at hand; the same noise each time."""
    generator = np.random.default_rng(0)
    height, width, channels = contract.image_shape
    images = []
    for row in range(count):
        block = 2 ** (row % 4)
        coarse = generator.integers(0, 256, (-(-height // block), -(-width // block), channels), dtype=np.uint8)
        images.append(coarse.repeat(block, axis=0).repeat(block, axis=1)[:height, :width])
    return ParityImages(np.stack(images))


def other_sizes(images: ParityImages, contract: ModelContract) -> tuple[list[Images], Images]:
    """Makes RGB images of other sizes than the network's.

    Returns:
        The images, uint8 (any, any, 3) each, and the same as Pillow resizes them, uint8 (n, height, width, channels).
    """
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
    """The original's answers, and the images they are for, ready to be compared with each exported file's."""

    def __init__(
        self, original: Callable[[Images], Probabilities], contract: ModelContract, images: ParityImages, scratch: Path
    ) -> None:
        """Asks the original.

        Args:
            original: A function from uint8 pixels to probabilities.
            contract: The model's contract.
            images: The images to compare on.
            scratch: A folder for what is exchanged with the processes that open the files.
        """
        self.contract = contract
        self.images = images
        self.scratch = scratch
        self.expected = original(images.pixels)
        arrays = {"pixels": images.pixels}
        if has_any_size(contract):
            sizes, resized = other_sizes(images, contract)
            self.expected_any = original(resized)
            arrays |= {f"any_{row}": pixels for row, pixels in enumerate(sizes)}
        np.savez(scratch / "images.npz", **arrays)  # type: ignore[arg-type]  # see measure.py

    def row(self, folder: Path, name: str, form: ExportFormat, variant: Variant) -> ParityRow:
        """Opens a file in a fresh process and compares it with the original.

        Args:
            folder: The export folder.
            name: Name of the format in `FORMATS`.
            form: The format.
            variant: The format's variant, which is written.

        Raises:
            ApertuneError: The file does not load.
        """
        measured = self._measure(folder, name, form, variant)
        difference = _largest(measured["probabilities"], self.expected)
        any_size = _largest(measured["any_size"], self.expected_any) if "any_size" in measured else None
        equal = self._equal_answers(measured["probabilities"])
        accuracy, original = self._accuracy(measured["probabilities"]), self._accuracy(self.expected)
        low, high = self._loss_interval(measured["probabilities"])
        return ParityRow(
            name,
            variant.file,
            variant.precision,
            difference,
            any_size,
            equal,
            float(measured["ms"]),
            _bytes(folder / variant.file) / 1e6,
            accuracy,
            None if accuracy is None or original is None else original - accuracy,
            low,
            high,
            _problem(variant, difference, any_size, equal, high),
            str(measured["note"]) or None,
        )

    def _measure(self, folder: Path, name: str, form: ExportFormat, variant: Variant) -> dict[str, Any]:
        task = {
            "folder": str(folder),
            "file": variant.file,
            "any_size_file": variant.any_size_file if has_any_size(self.contract) else None,
            "format": FORMATS[name],
            "images": str(self.scratch / "images.npz"),
            "answers": str(self.scratch / "answers.npz"),
        }
        (self.scratch / "task.json").write_text(json.dumps(task), encoding="utf-8")
        # Measured on the CPU, so that figures of runtimes compare and a search's GPU is left alone.
        environment = child_environment({"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"})
        run = subprocess.run(
            module_command("apertune.search.export.measure", str(self.scratch / "task.json")),
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
            raise ApertuneError(f"the exported {variant.file} does not load in {form.runtime}: {reason[:300]}")
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

    def _loss_interval(self, probabilities: Probabilities) -> tuple[float | None, float | None]:
        """Returns the 95 % interval of the accuracy that is lost, image by image; Nones without labels.

        Half an image is added to each way of differing, so that a few images without a difference do not prove that
        there is none. Source: Agresti and Min (2005), for matched pairs.
        """
        labels = self.images.labels
        if labels is None:
            return None, None
        thresholds = np.array(self.contract.class_thresholds())
        before, after = (
            (answers(labels, given, thresholds) == labels).reshape(len(labels), -1).mean(axis=1)
            for given in (self.expected, probabilities)
        )
        lost, images = before - after, len(labels) + 2
        mean = float(lost.sum()) / images
        spread = float(np.sqrt(max(0.0, (np.square(lost).sum() + 1) / images - mean**2) / images))
        return mean - _TWO_SIDED_95 * spread, mean + _TWO_SIDED_95 * spread

    def _form(self) -> Labels:
        """Makes labels without meaning, whose form tells `answers` the task."""
        return np.zeros((1, 1) if self.contract.task == "multilabel" else 1, np.uint8)


def _problem(
    variant: Variant, difference: float, any_size: float | None, equal: float, most_lost: float | None
) -> str | None:
    most, least = variant.tolerance.largest_difference, variant.tolerance.equal_answers
    # Written so that NaN fails.
    if not difference <= most:
        return f"a probability differs by {difference:.2g}, more than {most:g}"
    if variant.precision == "int8" and most_lost is not None:
        if not most_lost <= _MOST_LOST:
            return (
                f"it may lose {most_lost:.1%} of accuracy (upper end of the 95 % interval), more than "
                f"{_MOST_LOST:.0%}; try --quantize float16, or compare on more images with --data"
            )
    elif not equal >= least:
        return f"only {equal:.1%} of the answers are equal, less than {least:.0%}"
    if any_size is not None and not any_size <= _ANY_SIZE_TOLERANCE:
        return f"for images of other sizes a probability differs by {any_size:.2g}, more than {_ANY_SIZE_TOLERANCE:g}"
    return None


def _largest(given: Probabilities, expected: Probabilities) -> float:
    return float(np.abs(given - expected).max()) if given.shape == expected.shape else float("nan")


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    return sum(file.stat().st_size for file in files)
