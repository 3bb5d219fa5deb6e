"""The export formats: one module for each, and one line for each in `registry.py`."""

from __future__ import annotations

from .base import (
    FLOAT16,
    FLOAT32,
    INT8,
    ExportFormat,
    ExportJob,
    PixelFunction,
    Precision,
    Tolerance,
    Variant,
    open_exported,
)
from .registry import FORMATS, create_format, find_format, formats_to_predict_with, prediction_files

__all__ = [
    "FLOAT16",
    "FLOAT32",
    "FORMATS",
    "INT8",
    "ExportFormat",
    "ExportJob",
    "PixelFunction",
    "Precision",
    "Tolerance",
    "Variant",
    "create_format",
    "find_format",
    "formats_to_predict_with",
    "open_exported",
    "prediction_files",
]
