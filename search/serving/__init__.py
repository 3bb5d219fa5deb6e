"""Serves a registered model, and MLflow's UI, on this machine.

Saved models name this package as their loader: MLflow imports it and calls its `_load_pyfunc`.
"""

from .served_model import _load_pyfunc as _load_pyfunc
