"""The examples of docs/data-in-python.md run as they stand there."""

from __future__ import annotations

import re

from programs import REPOSITORY

from apertune.datasets import ImageDataset

PAGE = (REPOSITORY / "docs" / "data-in-python.md").read_text(encoding="utf-8")


def test_examples() -> None:
    """Those that need no files are run one after the other, and make data sets."""
    known: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, known)
    made = [value for value in known.values() if isinstance(value, ImageDataset)]
    assert {dataset.name for dataset in made} == {"shapes", "animals"}
    assert len(made) == 3


def test_functions_are_described() -> None:
    """Every function that makes a data set in Python has an example."""
    import apertune.datasets

    for name in apertune.datasets.__all__:
        if name.startswith("from_"):
            assert f"datasets.{name}(" in PAGE
