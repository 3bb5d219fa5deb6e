"""scikit-learn's handwritten digits, which need no download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..base import Index, Progress
from ..files.sources import Source


class DigitsAdapter:
    """Reads the digits that come with scikit-learn."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists 1797 images of 8x8 pixels, whose levels 0 to 16 are scaled to 0 to 255."""
        import pandas as pd
        from sklearn.datasets import load_digits

        digits = load_digits()
        table = pd.DataFrame(
            {
                "key": [f"digit {number}" for number in range(len(digits.target))],
                "label": [str(label) for label in digits.target],
                "split": None,
            }
        )
        return Index(
            table=table,
            classes=tuple(str(label) for label in range(10)),
            task="multiclass",
            pixels=np.rint(digits.images * (255 / 16)).astype(np.uint8),
            licence="CC BY 4.0 (UCI Machine Learning Repository)",
        )
