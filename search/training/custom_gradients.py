"""The release of everything that TensorFlow keeps of every model that it ever traced. Imported in workers only.

In a graph, `tf.custom_gradient` enters its function into a registry of the process for good
(`tensorflow/python/ops/custom_gradient.py`, `_graph_mode_decorator`); the function holds the graph it was traced in,
and so all of the training step: 6 to 15 MB per trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

CUSTOM = "CustomGradient-"


@contextmanager
def forgotten_gradients() -> Iterator[None]:
    """Removes from the registry, at its end, everything that was entered within it.

    Models made within it cannot be traced again afterwards; those made before are not touched. Nothing is done on
    other backends, or for a TensorFlow without such a registry.
    """
    registered = _registered()
    before = set(registered)
    try:
        yield
    finally:
        for name in [name for name in registered if name.startswith(CUSTOM) and name not in before]:
            del registered[name]


def _registered() -> dict[str, Any]:
    if keras.backend.backend() != "tensorflow":
        return {}
    from tensorflow.python.framework import ops

    registered = getattr(getattr(ops, "gradient_registry", None), "_registry", None)
    return registered if isinstance(registered, dict) else {}
