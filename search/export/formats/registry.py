"""Every export format by name."""

from __future__ import annotations

import importlib
from typing import get_args

from ....errors import UnknownNameError
from .base import ExportFormat, Precision

# "module:Class", relative to this package when it starts with a dot.
FORMATS: dict[str, str] = {
    "keras": ".keras_format:KerasFormat",
    "saved_model": ".saved_model_format:SavedModelFormat",
    "onnx": ".onnx_format:OnnxFormat",
    "litert": ".litert_format:LiteRtFormat",
}


def find_format(name: str) -> ExportFormat:
    """Returns the format of this name.

    Raises:
        UnknownNameError: No format has this name.
    """
    if name not in FORMATS:
        raise UnknownNameError("export format", name, FORMATS)
    return create_format(FORMATS[name])


def create_format(target: str) -> ExportFormat:
    """Makes the format that an entry of `FORMATS` names, in any process."""
    module, _, attribute = target.partition(":")
    form: ExportFormat = getattr(importlib.import_module(module, __package__), attribute)()
    return form


def formats_to_predict_with() -> dict[str, ExportFormat]:
    """Returns the formats that `apertune predict` takes, by name, in the order of `FORMATS`."""
    formats = {name: find_format(name) for name in FORMATS}
    return {name: form for name, form in formats.items() if form.prediction_rank is not None}


def prediction_files() -> list[tuple[str, ExportFormat]]:
    """Returns the files that `apertune predict` takes, each with its format, the one to prefer first.

    A more precise file is preferred, then the format with the lower rank.
    """
    formats = sorted(formats_to_predict_with().values(), key=lambda form: form.prediction_rank or 0)
    precisions: tuple[Precision, ...] = get_args(Precision)
    wanted = [(form.variant(precision), form) for precision in precisions for form in formats]
    return [(variant.file, form) for variant, form in wanted if variant is not None]
