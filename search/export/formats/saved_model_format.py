"""TensorFlow's SavedModel, as TensorFlow Serving takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...models.contract import ModelContract
from ..graph import ANY_SIZE_SIGNATURE, FIXED_SIGNATURE, INPUT, OUTPUT, save_graph
from .base import FLOAT32, ExportFormat, ExportJob, PixelFunction, Variant


class SavedModelFormat(ExportFormat):
    """A SavedModel folder with a signature for images of the network's shape and one for images of any size.

    `apertune predict` does not open it: TensorFlow calls a SavedModel a program, which can read and write files.
    """

    runtime = "tensorflow"
    variants = (Variant("float32", "saved_model", FLOAT32, any_size_file="saved_model"),)

    def write(self, job: ExportJob, variant: Variant) -> None:
        save_graph(job.network, job.contract, job.folder / variant.file, frozen=False)

    def open(self, path: Path, contract: ModelContract, *, any_size: bool) -> PixelFunction:
        import tensorflow as tf

        loaded = tf.saved_model.load(str(path))
        function = loaded.signatures[ANY_SIZE_SIGNATURE if any_size else FIXED_SIGNATURE]
        # The function holds its weights only as long as the loaded object lives.
        function.owner = loaded
        return lambda images: np.asarray(function(**{INPUT: tf.constant(images)})[OUTPUT], np.float32)
