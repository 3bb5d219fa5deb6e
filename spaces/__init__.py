"""What may vary: networks, training recipes, published references. Nothing here imports Keras until it is used."""

from .discovery import discover, hyperparameters
from .parameters import Condition, Parameter, SearchSpace
from .registry import load

__all__ = ["Condition", "Parameter", "SearchSpace", "discover", "hyperparameters", "load"]
