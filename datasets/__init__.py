"""The data sets that are searched over: adapters, splits, the cache of decoded images, the audit."""

from __future__ import annotations

from .adapters.base import Adapter
from .adapters.registry import ADAPTERS, AdapterEntry
from .base import BadItem, DataSpec, ImageDataset, Index, TrainingView
from .loading import from_arrays, load
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
