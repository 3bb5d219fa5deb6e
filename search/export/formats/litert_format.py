"""LiteRT (formerly TensorFlow Lite), for phones and small devices."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....datasets.base import Images
from ....quiet import nothing_on_standard_error
from ...evaluation.decisions import Probabilities
from ...models.contract import ModelContract
from ..graph import ANY_SIZE_SIGNATURE, FIXED_SIGNATURE, INPUT, OUTPUT, save_graph
from .base import FLOAT16, FLOAT32, INT8, ExportFormat, ExportJob, PixelFunction, Variant


class LiteRtFormat(ExportFormat):
    """A `.tflite` file. The float32 one has a second signature, for images of any size.

    A quantized file takes the network's own size only: in int8 the resizing itself would lose its precision.
    """

    runtime = "litert"
    variants = (
        Variant("float32", "model.tflite", FLOAT32, any_size_file="model.tflite"),
        Variant("float16", "model_float16.tflite", FLOAT16),
        Variant("int8", "model_int8.tflite", INT8),
    )
    packages = ("ai_edge_litert",)
    opening_package = "ai_edge_litert"
    prediction_rank = 2

    def write(self, job: ExportJob, variant: Variant) -> None:
        import tensorflow as tf

        with tempfile.TemporaryDirectory(dir=job.folder) as scratch:
            names = save_graph(job.network, job.contract, Path(scratch), frozen=True)
            signatures = [FIXED_SIGNATURE] if variant.any_size_file is None else names
            converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=signatures)
            if variant.precision == "float16":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            elif variant.precision == "int8":
                calibration = job.calibration
                assert calibration is not None

                def representative() -> Iterator[tuple[str, dict[str, Images]]]:
                    return ((FIXED_SIGNATURE, {INPUT: image[None]}) for image in calibration)

                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.representative_dataset = representative
            with warnings.catch_warnings():
                # TensorFlow announces the end of its LiteRT interpreter; the converter, which uses it, stays.
                warnings.simplefilter("ignore")
                with nothing_on_standard_error():
                    content = converter.convert()
        (job.folder / variant.file).write_bytes(content)

    def open(self, path: Path, contract: ModelContract, *, any_size: bool) -> PixelFunction:
        return _LiteRtFunction(path, ANY_SIZE_SIGNATURE if any_size else FIXED_SIGNATURE)


class _LiteRtFunction:
    """A LiteRT file as a function from pixels to probabilities."""

    note = ""
    """Advice to a user who runs the file without Apertune; empty for none."""

    def __init__(self, path: Path, signature: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._path = path
        self._signature = signature
        self._run = Interpreter(model_path=str(path)).get_signature_runner(signature)

    def __call__(self, images: Images) -> Probabilities:
        try:
            return self._answer(images)
        except RuntimeError as error:
            if self.note or "XNNPACK" not in str(error):
                raise
        # The XNNPACK delegate cannot run a few int8 networks, and says so only when it is first called.
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_path=str(self._path), experimental_op_resolver_type=plain)
        self._run = interpreter.get_signature_runner(self._signature)
        self.note = "runs only without the XNNPACK delegate"
        return self._answer(images)

    def _answer(self, images: Images) -> Probabilities:
        return np.array(self._run(**{INPUT: images})[OUTPUT], np.float32)
