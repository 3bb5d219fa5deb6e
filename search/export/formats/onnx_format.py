"""ONNX, which onnxruntime and many other runtimes open."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ....datasets.base import Images
from ...models.contract import ModelContract
from ..graph import ANY_SIZE_SIGNATURE, FIXED_SIGNATURE, INPUT, OUTPUT, make_signatures
from .base import FLOAT32, INT8, ExportFormat, ExportJob, PixelFunction, Variant

_OPSET = 17


class OnnxFormat(ExportFormat):
    """One ONNX file for images of the network's shape, and in float32 a second one for images of any size."""

    runtime = "onnxruntime"
    variants = (
        Variant("float32", "model.onnx", FLOAT32, any_size_file="model_any_size.onnx"),
        Variant("int8", "model_int8.onnx", INT8),
    )
    packages = ("onnx", "tf2onnx", "onnxruntime")
    opening_package = "onnxruntime"
    prediction_rank = 1

    def write(self, job: ExportJob, variant: Variant) -> None:
        if variant.precision == "int8":
            self._quantize(job, variant)
        else:
            self._convert(job, variant)

    def open(self, path: Path, contract: ModelContract, *, any_size: bool) -> PixelFunction:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return lambda images: np.asarray(session.run([OUTPUT], {INPUT: images})[0], np.float32)

    def _convert(self, job: ExportJob, variant: Variant) -> None:
        import onnx
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        files = {FIXED_SIGNATURE: variant.file, ANY_SIZE_SIGNATURE: variant.any_size_file}
        any_size = variant.any_size_file is not None
        _, functions = make_signatures(job.network, job.contract, frozen=False, any_size=any_size)
        for name, function in functions.items():
            with _inner_functions_inlined():
                model, _ = tf2onnx.convert.from_function(
                    function,
                    input_signature=function.input_signature,
                    opset=_OPSET,
                    custom_op_handlers={"Erfc": (_write_erfc, [])},
                )
                _hold_constants(model, function)
            onnx.save(model, str(job.folder / str(files[name])))

    def _quantize(self, job: ExportJob, variant: Variant) -> None:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

        unquantized = self.variant("float32")
        assert unquantized is not None
        assert job.calibration is not None
        images = iter([{INPUT: image[None]} for image in job.calibration])

        class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
            def get_next(self) -> dict[str, Images] | None:
                return next(images, None)

        logging.getLogger().addFilter(_no_preprocessing_advice)
        quantize_static(
            str(job.folder / unquantized.file),
            str(job.folder / variant.file),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            # Weights of 7 bits: with 8, processors without VNNI overflow in the arithmetic, which cost 3 % of accuracy.
            reduce_range=True,
        )
        logging.getLogger().removeFilter(_no_preprocessing_advice)


@contextmanager
def _inner_functions_inlined() -> Iterator[None]:
    """Inlines the functions that Keras compiles inside a network, which tf2onnx would leave as calls.

    Keras compiles grouped convolutions, such as those of ConvNeXt, as functions of their own.
    """
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _hold_constants(model: Any, function: Any) -> None:
    """Puts the constants that layers keep outside of variables, such as a Normalization's mean, into the ONNX model.

    tf2onnx makes inputs of them, which nobody could fill.
    """
    import onnx

    captured = {placeholder.name: value for value, placeholder in function.get_concrete_function().graph.captures}
    for entry in list(model.graph.input):
        if entry.name in captured:
            model.graph.input.remove(entry)
            model.graph.initializer.append(onnx.numpy_helper.from_array(captured[entry.name].numpy(), entry.name))


def _write_erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Writes the complementary error function, which GELU uses, as 1 - erf(x): tf2onnx has no operation for it."""
    dtypes, shapes, outputs = node.output_dtypes, node.output_shapes, node.output
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    error = graph.make_node("Erf", [node.input[0]], dtypes=dtypes, shapes=shapes)
    graph.make_node("Sub", [one, error.output[0]], name=name, outputs=outputs, dtypes=dtypes, shapes=shapes)


def _no_preprocessing_advice(record: logging.LogRecord) -> bool:
    """Drops onnxruntime's advice, on the root logger, to run its optimizer first; that would change no result."""
    return "pre-processing" not in record.getMessage()
