"""Turns a saved model into files that other runtimes load: Keras, SavedModel, ONNX, LiteRT, each proven equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...lazy_exports import exported

if TYPE_CHECKING:
    from .exporting import ExportReport, export_model
    from .formats.registry import FORMATS
    from .parity import ParityImages, ParityRow

__all__ = ["FORMATS", "ExportReport", "ParityImages", "ParityRow", "export_model"]

# The names of the formats make the help of `apertune export`; the rest imports NumPy.
_MODULES = {
    "ExportReport": "exporting",
    "FORMATS": "formats.registry",
    "ParityImages": "parity",
    "ParityRow": "parity",
    "export_model": "exporting",
}


def __getattr__(name: str) -> Any:
    return exported(__name__, _MODULES, name)
