"""The model that `mlflow models serve` loads: it answers pixels and image files of any size.

A request to `/invocations` holds 1 to 1024 images in one of these forms:

    {"inputs": [[[[12, 0, 255], …], …], …]}         pixels, (n, height, width, channels), 0 to 255
    {"inputs": ["/9j/4AAQ…", …]}                    files (JPEG, PNG and others) in base64
    {"instances": [{"b64": "/9j/4AAQ…"}, …]}        the same, as TensorFlow Serving takes it
    {"dataframe_records": [{"image": "/9j/…"}, …]}  the same, as a table

The reply is {"predictions": [{"name", "names", "probability", "probabilities"}, …]}. A request in
another form is answered with 400 and the reason, one with another Host or Origin with 403 (see `host_guard.py`).
"""

from __future__ import annotations

import base64
import binascii
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.base import Images
from ...datasets.cache.decoding import UnusableImageError, decode_file
from ..prediction.predictor import Predictor, open_predictor
from .host_guard import guard_scoring_server

_MOST_IMAGES = 1024
_MOST_PIXELS = 500_000_000  # of all images together; some seconds of decoding
_LARGEST_FILE = 64 * 2**20  # bytes, encoded
_COLUMNS = ("image", "b64")


class ServedModel:
    """A model as MLflow's flavour `python_function` calls it: `predict(model_input)`."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[dict[str, object]]:
        """Answers the images of a request in order.

        Raises:
            MlflowException: The request is bad; the message says why.
        """
        images = _images(model_input)
        if not 1 <= len(images) <= _MOST_IMAGES:
            raise _bad_request(f"a request must hold 1 to {_MOST_IMAGES} images, but holds {len(images)}")
        pixels, read = [], 0
        for number, image in enumerate(images):
            resized, size = self._pixels(number, image)
            read += size
            if read > _MOST_PIXELS:
                raise _bad_request(
                    f"image {number}: the images of a request must have at most {_MOST_PIXELS:,} pixels together; send "
                    "them in several requests, or smaller"
                )
            pixels.append(resized)
        return [answer.to_dict() for answer in self.predictor.answer(np.stack(pixels))]

    def _pixels(self, number: int, image: Any) -> tuple[Images, int]:
        """Returns an image in the network's shape, and the number of pixels that it came with."""
        if isinstance(image, bytes | str):
            return self._decoded(number, image)
        array = np.asarray(image)
        if array.dtype.kind not in "iu" or array.size == 0 or array.min() < 0 or array.max() > 255:
            raise _bad_request(f"image {number}: pixels must be whole numbers from 0 to 255")
        if array.ndim != 3 or array.shape[2] not in (1, 3):
            raise _bad_request(
                f"image {number}: pixels must be (height, width, 1 or 3 channels), but are {array.shape}; "
                f"the model takes {self.predictor.contract.image_shape} and resizes others"
            )
        return self.predictor.resize(array.astype(np.uint8)), array.shape[0] * array.shape[1]

    def _decoded(self, number: int, image: bytes | str) -> tuple[Images, int]:
        if len(image) > _LARGEST_FILE:
            raise _bad_request(f"image {number}: a file must be at most {_LARGEST_FILE} bytes in base64")
        try:
            content = image if isinstance(image, bytes) else base64.b64decode(_without_prefix(image), validate=True)
        except (binascii.Error, ValueError):
            raise _bad_request(f"image {number}: a file must be JPEG or PNG bytes in base64") from None
        with tempfile.NamedTemporaryFile(suffix=".image") as file:
            file.write(content)
            file.flush()
            try:
                pixels, (width, height) = decode_file(Path(file.name), self.predictor.pixel_format)
                return pixels, width * height
            except UnusableImageError as error:
                raise _bad_request(f"image {number}: {str(error).replace(file.name, 'the file')}") from None


def _load_pyfunc(path: str) -> ServedModel:
    """Loads a model for MLflow, which calls this by name with the model's folder."""
    guard_scoring_server()
    return ServedModel(open_predictor(Path(path)))


def _bad_request(message: str) -> Exception:
    """Returns an error that MLflow's scoring server answers with 400 and the message."""
    from mlflow.exceptions import INVALID_PARAMETER_VALUE, MlflowException

    error: Exception = MlflowException(message, error_code=INVALID_PARAMETER_VALUE)
    return error


def _images(model_input: Any) -> list[Any]:
    """Returns the images of a request, which MLflow passes on as an array, a list, columns or a table."""
    if hasattr(model_input, "to_dict") and hasattr(model_input, "columns"):
        model_input = {str(name): list(model_input[name]) for name in model_input.columns}
    if isinstance(model_input, Mapping):
        named = [name for name in _COLUMNS if name in model_input]
        if len(named) != 1:
            raise _bad_request(f"a request must have the field {' or '.join(_COLUMNS)}, but has {list(model_input)}")
        model_input = model_input[named[0]]
    if isinstance(model_input, str | bytes):
        return [model_input]
    try:
        return [entry.item() if isinstance(entry, np.str_ | np.bytes_) else entry for entry in model_input]
    except TypeError:
        raise _bad_request(f"a request must hold a list of images, but holds {type(model_input).__name__}") from None


def _without_prefix(text: str) -> str:
    """Drops the `data:image/png;base64,` that browsers write before the bytes."""
    return text.partition(",")[2] if text.startswith("data:image/") else text
