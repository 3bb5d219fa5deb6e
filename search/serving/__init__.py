"""Serving a registered model, and MLflow's UI, on this machine.

Saved models name this package as their loader: MLflow calls `_load_pyfunc` of it.
"""

from .served_model import _load_pyfunc as _load_pyfunc
