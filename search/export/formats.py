"""The formats a model is exported in, and how each is written."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...datasets.base import Images
from ...errors import MissingExtraError, SettingError, UnknownNameError
from ...quiet import nothing_on_standard_error
from ..models.contract import ModelContract
from .graph import ANY_SIZE_SIGNATURE, FIXED_SIGNATURE, INPUT, has_any_size, make_signatures

if TYPE_CHECKING:
    import keras

Precision = Literal["float32", "float16", "int8"]
Runtime = Literal["keras", "tensorflow", "onnxruntime", "litert"]

KERAS_FILE = "model.keras"
_ONNX_OPSET = 17


@dataclass(frozen=True)
class Artifact:
    """One exported form of the network. file: a file or folder. any_size_file: where RGB images of any size go."""

    format: str
    file: str
    runtime: Runtime
    precision: Precision = "float32"
    any_size_file: str | None = None


@dataclass(frozen=True, eq=False)
class ExportJob:
    """What is exported, and where to. calibration: uint8 (n, height, width, channels), for int8 only."""

    network: keras.Model
    contract: ModelContract
    folder: Path
    calibration: Images | None = None


@dataclass(frozen=True)
class ExportFormat:
    """write: makes the file of a precision. packages: import names it needs, of the extra `export`."""

    runtime: Runtime
    write: Callable[[ExportJob, Precision], Artifact]
    precisions: tuple[Precision, ...]
    packages: tuple[str, ...] = ()


def plan(formats: tuple[str, ...], quantize: Precision | None) -> list[tuple[str, Precision]]:
    """The (format, precision) pairs to write. Raises SettingError when a setting is wrong or would do nothing."""
    if not formats:
        raise SettingError(f"--formats must name at least one of {', '.join(FORMATS)}")
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("export format", name, FORMATS)
        if any(find_spec(package) is None for package in FORMATS[name].packages):
            raise MissingExtraError(f"the format {name}", "export")
    quantized = [name for name in formats if quantize in FORMATS[name].precisions and quantize != "float32"]
    if quantize is not None and not quantized:
        able = [name for name in FORMATS if quantize in FORMATS[name].precisions]
        raise SettingError(
            f"--quantize {quantize} needs one of the formats {', '.join(able)}; got {', '.join(formats)}"
        )
    floats: list[tuple[str, Precision]] = [(name, "float32") for name in dict.fromkeys(formats)]
    return floats + [(name, quantize) for name in dict.fromkeys(quantized) if quantize is not None]


def _write_keras(job: ExportJob, precision: Precision) -> Artifact:
    job.network.save(job.folder / KERAS_FILE)
    return Artifact("keras", KERAS_FILE, "keras")


def _write_saved_model(job: ExportJob, precision: Precision) -> Artifact:
    _save_graph(job, job.folder / "saved_model", frozen=False)
    any_size = "saved_model" if has_any_size(job.contract) else None
    return Artifact("saved_model", "saved_model", "tensorflow", any_size_file=any_size)


def _write_onnx(job: ExportJob, precision: Precision) -> Artifact:
    if precision == "int8":
        return _quantize_onnx(job)
    import onnx
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    _, functions = make_signatures(job.network, job.contract, frozen=False)
    files = {FIXED_SIGNATURE: "model.onnx", ANY_SIZE_SIGNATURE: "model_any_size.onnx"}
    for name, function in functions.items():
        with _inner_functions_inlined():
            model, _ = tf2onnx.convert.from_function(
                function,
                input_signature=function.input_signature,
                opset=_ONNX_OPSET,
                custom_op_handlers={"Erfc": (_write_erfc, [])},
            )
            _hold_constants(model, function)
        onnx.save(model, str(job.folder / files[name]))
    any_size = files[ANY_SIZE_SIGNATURE] if has_any_size(job.contract) else None
    return Artifact("onnx", files[FIXED_SIGNATURE], "onnxruntime", any_size_file=any_size)


@contextmanager
def _inner_functions_inlined() -> Iterator[None]:
    """Keras compiles grouped convolutions, as of ConvNeXt, as functions of their own, which tf2onnx leaves as calls."""
    import tensorflow as tf

    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _hold_constants(model: Any, function: Any) -> None:
    """Puts the constants that layers hold outside of variables, such as a Normalization's mean, into the ONNX model.

    tf2onnx makes inputs of them, which nobody could fill.
    """
    import onnx

    captured = {placeholder.name: value for value, placeholder in function.get_concrete_function().graph.captures}
    for entry in list(model.graph.input):
        if entry.name in captured:
            model.graph.input.remove(entry)
            model.graph.initializer.append(onnx.numpy_helper.from_array(captured[entry.name].numpy(), entry.name))


def _write_erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """The complementary error function, of which GELU is made, as 1 - erf(x): tf2onnx has no operation for it."""
    dtypes, shapes, outputs = node.output_dtypes, node.output_shapes, node.output
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    error = graph.make_node("Erf", [node.input[0]], dtypes=dtypes, shapes=shapes)
    graph.make_node("Sub", [one, error.output[0]], name=name, outputs=outputs, dtypes=dtypes, shapes=shapes)


def _quantize_onnx(job: ExportJob) -> Artifact:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    images = iter([{INPUT: image[None]} for image in _calibration(job)])

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
        def get_next(self) -> dict[str, Images] | None:
            return next(images, None)

    file = "model_int8.onnx"
    logging.getLogger().addFilter(_no_preprocessing_advice)
    quantize_static(
        str(job.folder / "model.onnx"),
        str(job.folder / file),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        # Weights of 7 bits: 8 overflow in the arithmetic of processors without VNNI, which cost 3 % of accuracy.
        reduce_range=True,
    )
    logging.getLogger().removeFilter(_no_preprocessing_advice)
    return Artifact("onnx", file, "onnxruntime", "int8")


def _no_preprocessing_advice(record: logging.LogRecord) -> bool:
    """onnxruntime advises, on the root logger, to run its optimizer first; that changes nothing of the result."""
    return "pre-processing" not in record.getMessage()


def _write_litert(job: ExportJob, precision: Precision) -> Artifact:
    import tensorflow as tf

    with tempfile.TemporaryDirectory(dir=job.folder) as scratch:
        names = _save_graph(job, Path(scratch), frozen=True)
        # A quantized file takes the network's own size only: in int8 the resizing itself would lose its precision.
        used = names if precision == "float32" else [FIXED_SIGNATURE]
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=used)
        if precision == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        elif precision == "int8":
            calibration = _calibration(job)

            def representative() -> Iterator[tuple[str, dict[str, Images]]]:
                return ((FIXED_SIGNATURE, {INPUT: image[None]}) for image in calibration)

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = representative
        with warnings.catch_warnings():
            # TensorFlow announces that its LiteRT interpreter will go; the converter, which uses it, stays.
            warnings.simplefilter("ignore")
            with nothing_on_standard_error():
                content = converter.convert()
    file = "model.tflite" if precision == "float32" else f"model_{precision}.tflite"
    (job.folder / file).write_bytes(content)
    return Artifact("litert", file, "litert", precision, file if ANY_SIZE_SIGNATURE in used else None)


def _save_graph(job: ExportJob, folder: Path, *, frozen: bool) -> list[str]:
    import tensorflow as tf

    module, functions = make_signatures(job.network, job.contract, frozen=frozen)
    tf.saved_model.save(module, str(folder), signatures=functions)
    return list(functions)


def _calibration(job: ExportJob) -> np.ndarray[Any, np.dtype[np.uint8]]:
    if job.calibration is None or len(job.calibration) == 0:
        raise SettingError("--quantize int8 is calibrated on training images: say where they are with --data")
    return job.calibration


FORMATS: dict[str, ExportFormat] = {
    "keras": ExportFormat("keras", _write_keras, ("float32",)),
    "saved_model": ExportFormat("tensorflow", _write_saved_model, ("float32",)),
    "onnx": ExportFormat("onnxruntime", _write_onnx, ("float32", "int8"), ("onnx", "tf2onnx", "onnxruntime")),
    "litert": ExportFormat("litert", _write_litert, ("float32", "float16", "int8"), ("ai_edge_litert",)),
}
