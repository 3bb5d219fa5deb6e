"""The command `apertune export` compares formats on the images of the model's own data set, where it may."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.cli import export


@pytest.mark.parametrize(("adapter", "opened"), [("", False), ("mnist", True)])
def test_arrays_called_like_a_keras_set(
    adapter: str, opened: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays in memory that are called mnist are not taken for Keras's MNIST, which would be fetched."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    asked: list[str] = []

    def load_from(name: str, given: object) -> SimpleNamespace:
        asked.append(name)
        return SimpleNamespace(classes=("0", "1"), fingerprint="f")

    monkeypatch.setattr("apertune.cli.dataset_options.load_from", load_from)
    contract = SimpleNamespace(
        adapter=adapter, dataset="mnist", image_shape=(28, 28, 1), resize="stretch", classes=("0", "1"), fingerprint="f"
    )
    assert (export._dataset(contract, None, ()) is not None) is opened
    assert asked == (["mnist"] if opened else [])
