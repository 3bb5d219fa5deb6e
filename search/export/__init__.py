"""Turns a saved model into files that other runtimes load: Keras, SavedModel, ONNX, LiteRT, each proven equal."""

from __future__ import annotations

from .exporting import ExportReport, export_model
from .formats import FORMATS
from .parity import ParityImages, ParityRow

__all__ = ["FORMATS", "ExportReport", "ParityImages", "ParityRow", "export_model"]
