"""Search spaces: networks, training recipes and published references. Nothing here imports Keras until it is used."""

from .registry import load
from .search_space.discovery import discover, hyperparameters
from .search_space.narrowing import narrow
from .search_space.parameters import Condition, Parameter, SearchSpace

__all__ = ["Condition", "Parameter", "SearchSpace", "discover", "hyperparameters", "load", "narrow"]
