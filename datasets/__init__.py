"""What there is to learn from: adapters, splits, the decoded cache, the audit."""

from __future__ import annotations

from .base import DataSpec, ImageDataset, TrainingView
from .indexing import Adapter, BadItem, Index
from .loading import from_arrays, load
from .registry import ADAPTERS, AdapterEntry
from .settings import LoadSettings

__all__ = [
    "ADAPTERS",
    "Adapter",
    "AdapterEntry",
    "BadItem",
    "DataSpec",
    "ImageDataset",
    "Index",
    "LoadSettings",
    "TrainingView",
    "from_arrays",
    "load",
]
