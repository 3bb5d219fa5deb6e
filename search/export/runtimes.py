"""Loads each exported format in its own runtime, as a function from pixels to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Images
from ...errors import MissingExtraError, StudyError
from ...text import first_line
from ..models.contract import ModelContract
from ..models.package import load_network
from .formats import Runtime
from .graph import ANY_SIZE_SIGNATURE, FIXED_SIGNATURE, INPUT, OUTPUT, predict

Probabilities = NDArray[np.float32]
PixelFunction = Callable[[Images], Probabilities]


def open_runtime(path: Path, runtime: Runtime, contract: ModelContract, *, any_size: bool = False) -> PixelFunction:
    """Loads a file (or a SavedModel folder) as a function: uint8 (n, height, width, channels) to float32 (n, outputs).

    any_size: the function takes RGB images of any one size, uint8 (n, any, any, 3), instead. Raises
    MissingExtraError without the runtime's package, StudyError when the file cannot be loaded.
    """
    try:
        return _OPEN[runtime](path, contract, ANY_SIZE_SIGNATURE if any_size else FIXED_SIGNATURE)
    except (OSError, ValueError, RuntimeError) as error:
        raise StudyError(f"{path} cannot be loaded: {first_line(error)}") from error


def _open_keras(path: Path, contract: ModelContract, signature: str) -> PixelFunction:
    network = load_network(path, contract)
    return lambda images: predict(network, images)


def _open_saved_model(path: Path, contract: ModelContract, signature: str) -> PixelFunction:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    function = loaded.signatures[signature]
    # The function holds its weights only as long as the loaded object lives.
    function.owner = loaded
    return lambda images: np.asarray(function(**{INPUT: tf.constant(images)})[OUTPUT], np.float32)


def _open_onnx(path: Path, contract: ModelContract, signature: str) -> PixelFunction:
    if find_spec("onnxruntime") is None:
        raise MissingExtraError(f"loading {path.name}", "export")
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's own exceptions have no common class below Exception.
        raise StudyError(f"{path} cannot be loaded: {first_line(error)}") from error
    return lambda images: np.asarray(session.run([OUTPUT], {INPUT: images})[0], np.float32)


class LiteRtFunction:
    """A LiteRT file as a function. note: what whoever runs the file himself has to know; empty for nothing."""

    def __init__(self, path: Path, signature: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._path = path
        self._signature = signature
        self._run = Interpreter(model_path=str(path)).get_signature_runner(signature)
        self.note = ""

    def __call__(self, images: Images) -> Probabilities:
        try:
            return self._answer(images)
        except RuntimeError as error:
            if self.note or "XNNPACK" not in str(error):
                raise
        # The delegate takes few networks of int8 not, and says so only when it is asked.
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        interpreter = Interpreter(model_path=str(self._path), experimental_op_resolver_type=plain)
        self._run = interpreter.get_signature_runner(self._signature)
        self.note = "runs without the XNNPACK delegate only"
        return self._answer(images)

    def _answer(self, images: Images) -> Probabilities:
        return np.array(self._run(**{INPUT: images})[OUTPUT], np.float32)


def _open_litert(path: Path, contract: ModelContract, signature: str) -> PixelFunction:
    if find_spec("ai_edge_litert") is None:
        raise MissingExtraError(f"loading {path.name}", "export")
    return LiteRtFunction(path, signature)


_OPEN: dict[Runtime, Callable[[Path, ModelContract, str], PixelFunction]] = {
    "keras": _open_keras,
    "tensorflow": _open_saved_model,
    "onnxruntime": _open_onnx,
    "litert": _open_litert,
}
