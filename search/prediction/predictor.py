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
from ...errors import MissingExtraError, ModelError
from ..evaluation.decisions import Probabilities
from ..export.formats import PixelFunction, formats_to_predict_with, open_exported, prediction_files
from ..export.quick_start import open_quick_start
from ..models.contract import ModelContract, read_contract
from ..models.package import check_manifest, load_model
from .answers import Answer, decide

_BATCH = 64


@dataclass(frozen=True)
class FileAnswer:
    """One image file's answer, or why there is none."""

    path: Path
    """The image file."""
    answer: Answer | None
    """The answer; None when the file cannot be read."""
    problem: str | None = None
    """Reason why it cannot be read; None when it can."""


class Predictor:
    """A loaded model, which answers pixels and image files, and resizes images as its contract says."""

    def __init__(
        self, function: PixelFunction, contract: ModelContract, minimum_probability: float | None = None
    ) -> None:
        """Stores the model.

        Args:
            function: Takes uint8 (n, height, width, channels) and returns probabilities float32 (n, outputs).
            contract: The model's contract.
            minimum_probability: Probability below which the answer is "unknown"; the contract's when None.
        """
        self.function = function
        self.contract = contract
        self.minimum_probability = minimum_probability

    @property
    def pixel_format(self) -> PixelFormat:
        """Returns the format that images are brought to.

        Raises:
            ModelError: The network's images are not square.
        """
        height, width, channels = self.contract.image_shape
        if height != width:
            raise ModelError(
                f"the network takes {width}x{height} pixels; only square networks can be given image files"
            )
        return PixelFormat(height, 1 if channels == 1 else 3, self.contract.resize)

    def resize(self, image: Images) -> Images:
        """Brings one image, uint8 (any, any) or (any, any, 1 or 3), to the network's (height, width, channels)."""
        return image if image.shape == self.contract.image_shape else resize_array(image, self.pixel_format)

    def answer(self, pixels: Images) -> list[Answer]:
        """Answers images, uint8 (n, height, width, channels), one answer each."""
        return self.decide(self.function(pixels))

    def decide(self, probabilities: Probabilities) -> list[Answer]:
        """Returns one answer per row of probabilities, float32 (n, outputs)."""
        return decide(self.contract, probabilities, self.minimum_probability)

    def answer_files(self, paths: Sequence[Path], done: Callable[[int], None] | None = None) -> Iterator[FileAnswer]:
        """Answers image files in order; for a file that cannot be read it yields the reason, and continues.

        Files are decoded on all cores, one batch ahead of the network.

        Args:
            paths: The image files.
            done: Called after each batch with the number of its files.
        """
        batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
        with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
            # Pillow warns about large pictures and odd metadata; the reasons say all that matters.
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

    A model with an ONNX file beside it answers by that file, without Keras, where onnxruntime is installed.

    Args:
        folder: The model's folder.
        minimum_probability: Probability below which the answer is "unknown"; the model's own when None.

    Raises:
        ModelError: A file is missing, altered, unsafe, or cannot be loaded.
        MissingExtraError: An export holds only formats whose packages are not installed.
    """
    if (folder / "MLmodel").is_file():
        function, contract = _open_model(folder)
        return Predictor(function, contract, minimum_probability)
    contract = read_contract(folder)
    check_manifest(folder)
    present = [(file, form) for file, form in prediction_files() if (folder / file).exists()]
    if not present:
        *others, last = formats_to_predict_with()
        raise ModelError(f"{folder} holds no model to predict with: export it as {', '.join(others)} or {last}")
    for file, form in present:
        if form.opening_package is None or find_spec(form.opening_package) is not None:
            return Predictor(open_exported(form, folder / file, contract), contract, minimum_probability)
    raise MissingExtraError(f"predicting with {present[0][0]}", "export")


def _open_model(folder: Path) -> tuple[PixelFunction, ModelContract]:
    quick = open_quick_start(folder)
    if quick is not None:
        return quick
    from ..export.graph import predict

    network, contract = load_model(folder)
    return lambda pixels: predict(network, pixels), contract
