"""The data sets that a search runs on: adapters, splits, the cache of decoded images, the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..lazy_exports import exported

if TYPE_CHECKING:
    from .adapters.base import Adapter
    from .adapters.registry import ADAPTERS, AdapterEntry
    from .base import BadItem, DataSpec, ImageDataset, Index, TrainingView
    from .loading import load
    from .memory.arrays import from_arrays
    from .memory.dataframe import from_dataframe
    from .memory.huggingface import from_huggingface
    from .memory.tf_data import from_tf_dataset
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
    "from_dataframe",
    "from_huggingface",
    "from_tf_dataset",
    "load",
]

# A command's help needs the settings alone; the rest imports NumPy.
_MODULES = {
    "ADAPTERS": "adapters.registry",
    "Adapter": "adapters.base",
    "AdapterEntry": "adapters.registry",
    "BadItem": "base",
    "DataSpec": "base",
    "ImageDataset": "base",
    "Index": "base",
    "LoadSettings": "settings",
    "TrainingView": "base",
    "from_arrays": "memory.arrays",
    "from_dataframe": "memory.dataframe",
    "from_huggingface": "memory.huggingface",
    "from_tf_dataset": "memory.tf_data",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    return exported(__name__, _MODULES, name)
