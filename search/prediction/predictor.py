"""A model ready to answer: loaded from an MLflow model folder or an export, reading images as its data set was read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...datasets.base import Images
from ...datasets.cache.decoding import PixelFormat, UnusableImageError, decode_file, resize_array
from ...errors import MissingExtraError, StudyError
from ..export.formats import Runtime
from ..export.runtimes import PixelFunction, open_runtime
from ..models.contract import ModelContract, read_contract
from ..models.package import check_manifest, load_model
from .answers import Answer, decide

_BATCH = 64

# Quickest to start first. A SavedModel is left out: TensorFlow calls it a program, and it can read and write files.
_EXPORTED: tuple[tuple[str, Runtime, str | None], ...] = (
    ("model.onnx", "onnxruntime", "onnxruntime"),
    ("model.tflite", "litert", "ai_edge_litert"),
    ("model.keras", "keras", None),
    ("model_float16.tflite", "litert", "ai_edge_litert"),
    ("model_int8.onnx", "onnxruntime", "onnxruntime"),
    ("model_int8.tflite", "litert", "ai_edge_litert"),
)


@dataclass(frozen=True)
class FileAnswer:
    """One image file's answer, or why there is none."""

    path: Path
    answer: Answer | None
    problem: str | None = None


class Predictor:
    """A loaded model. Answers uint8 pixels, and brings images to the network's size as its contract says."""

    def __init__(
        self, function: PixelFunction, contract: ModelContract, minimum_probability: float | None = None
    ) -> None:
        """function: uint8 (n, height, width, channels) to probabilities float32 (n, outputs)."""
        self.function = function
        self.contract = contract
        self.minimum_probability = minimum_probability

    @property
    def pixel_format(self) -> PixelFormat:
        """What images are made into. Raises StudyError for a network whose images are not square."""
        height, width, channels = self.contract.image_shape
        if height != width:
            raise StudyError(
                f"the network takes {width}x{height} pixels; only square networks can be given image files"
            )
        return PixelFormat(height, 1 if channels == 1 else 3, self.contract.resize)

    def resize(self, image: Images) -> Images:
        """One image, uint8 (any, any) or (any, any, 1 or 3), to (height, width, channels)."""
        return image if image.shape == self.contract.image_shape else resize_array(image, self.pixel_format)

    def answer(self, pixels: Images) -> list[Answer]:
        """Answers uint8 (n, height, width, channels)."""
        return self.decide(self.function(pixels))

    def decide(self, probabilities: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> list[Answer]:
        return decide(self.contract, probabilities, self.minimum_probability)

    def answer_files(self, paths: Sequence[Path], done: Callable[[int], None] | None = None) -> Iterator[FileAnswer]:
        """Answers image files in order; a file that cannot be read is answered with the reason, and the rest go on.

        Files are decoded on all cores, a batch ahead of the network. done: called with the files finished.
        """
        batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
        with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
            # Pillow warns of large pictures and odd metadata; what matters is in the reasons.
            warnings.simplefilter("ignore")
            ahead = [pool.submit(self._read, path) for path in batches[0]] if batches else []
            for number, batch in enumerate(batches):
                read, following = [task.result() for task in ahead], batches[number + 1 : number + 2]
                ahead = [pool.submit(self._read, path) for part in following for path in part]
                yield from self._answer_read(batch, read)
                if done is not None:
                    done(len(batch))

    def _read(self, path: Path) -> Images | str:
        try:
            return decode_file(path, self.pixel_format)[0]
        except UnusableImageError as error:
            return str(error)

    def _answer_read(self, paths: Sequence[Path], read: Sequence[Images | str]) -> Iterator[FileAnswer]:
        pixels = [entry for entry in read if not isinstance(entry, str)]
        answers = iter(self.answer(np.stack(pixels)) if pixels else [])
        for path, entry in zip(paths, read, strict=True):
            yield FileAnswer(path, None, entry) if isinstance(entry, str) else FileAnswer(path, next(answers))


def open_predictor(folder: Path, minimum_probability: float | None = None) -> Predictor:
    """Loads an MLflow model folder that apertune saved, or an export folder, after checking it.

    minimum_probability: below it the answer is "unknown"; None for the model's own. Raises StudyError, and
    MissingExtraError when an export holds only formats whose packages are not installed.
    """
    if (folder / "MLmodel").is_file():
        from ..export.graph import predict

        network, contract = load_model(folder)
        return Predictor(lambda pixels: predict(network, pixels), contract, minimum_probability)
    contract = read_contract(folder)
    check_manifest(folder)
    present = [entry for entry in _EXPORTED if (folder / entry[0]).is_file()]
    if not present:
        raise StudyError(f"{folder} holds no model to predict with: export it as keras, onnx or litert")
    for file, runtime, package in present:
        if package is None or find_spec(package) is not None:
            return Predictor(open_runtime(folder / file, runtime, contract), contract, minimum_probability)
    raise MissingExtraError(f"predicting with {present[0][0]}", "export")
