"""The bytes of a user's objects: cloudpickle's, and those of Keras for its own, with the classes that these need."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle

from .source_text import is_own


def dumps(thing: Any) -> bytes:
    """Returns an object as bytes that `pickle.loads` takes in another process.

    Raises:
        Exception: Whatever a part raises that cannot be pickled.
    """
    file = io.BytesIO()
    _Pickler(file).dump(thing)
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle ships no types
    """Sends the user's own classes along with layers and models, which Keras finds by their names alone."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, type) and hasattr(type(obj), "_unpickle_model"):
            parts = obj._flatten_layers() if hasattr(obj, "_flatten_layers") else (obj,)
            classes = {type(part).__name__: type(part) for part in (obj, *parts) if is_own(type(part))}
            return made_by_keras, (classes, *obj.__reduce__())
        return super().reducer_override(obj)


def made_by_keras(classes: Mapping[str, type], make: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Returns an object that Keras makes of its own bytes, among classes of the user's."""
    import keras

    with keras.saving.custom_object_scope(dict(classes)):
        return make(*arguments)
