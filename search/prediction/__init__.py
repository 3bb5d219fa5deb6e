"""Names for images and videos, from a saved or an exported model, without its training data."""

from __future__ import annotations

from .answers import UNKNOWN, Answer, decide
from .predictor import FileAnswer, Predictor, open_predictor

__all__ = ["UNKNOWN", "Answer", "FileAnswer", "Predictor", "decide", "open_predictor"]
