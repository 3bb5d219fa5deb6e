"""Adapters of other distributions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from apertune.datasets import ADAPTERS, load
from apertune.datasets.registry import all_adapters
from apertune.errors import SettingError, UnknownNameError

# The whole of an adapter for sets saved as one .npz file, in a distribution of its own.
EXAMPLE = '''
import numpy as np
import pandas as pd

from apertune.datasets import AdapterEntry, Index
from apertune.errors import DatasetError


class NpzAdapter:
    """Reads files with `images` (n, height, width), uint8, and `labels` (n,), whole numbers."""

    def index(self, source, options, scratch, progress):
        files = source.with_suffix(".npz")
        if len(files) != 1:
            raise DatasetError(f"npz: one .npz file is expected in {source.root}, found {len(files)}")
        with np.load(source.root / files[0].path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        names = [f"class {label}" for label in labels]
        keys = [f"image {row}" for row in range(len(labels))]
        table = pd.DataFrame({"key": keys, "label": names, "split": None})
        return Index(table=table, classes=tuple(sorted(set(names))), task="multiclass", pixels=images)


NPZ = AdapterEntry(
    target="npz_adapter:NpzAdapter",
    description="one .npz file with images and labels",
    image_size=16,
    channels=1,
)
'''


def _install(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lays a distribution with the example's entry point where Python finds it."""
    (folder / "npz_adapter.py").write_text(EXAMPLE)
    facts = folder / "npz_adapter-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: npz-adapter\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[apertune.datasets]\n{name} = npz_adapter:NPZ\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "npz_adapter", raising=False)


def test_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that another distribution registers is found by name, listed, and loads."""
    (tmp_path / "site").mkdir()
    _install(tmp_path / "site", "npz", monkeypatch)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (30, 16, 16), dtype=np.uint8)
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "mine.npz", images=images, labels=np.arange(30) % 3)
    dataset = load("npz", tmp_path / "data" / "mine.npz")
    assert np.array_equal(dataset.images[:, :, :, 0], images)
    assert dataset.classes == ("class 0", "class 1", "class 2")
    assert "npz" in all_adapters()


def test_doubled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second adapter of one name is refused, not silently preferred."""
    _install(tmp_path, "digits", monkeypatch)
    with pytest.raises(SettingError, match="two adapters are called 'digits'"):
        all_adapters()


def test_unknown_name() -> None:
    """An unknown name lists the known ones and suggests the nearest."""
    with pytest.raises(UnknownNameError, match=r"did you mean 'voc2012'\? Known: binary, digits"):
        load("voc2021")


def test_targets() -> None:
    """Every entry of the registry names a class that is there, and file options that are options."""
    for entry in ADAPTERS.values():
        assert callable(entry.create().index)
        assert set(entry.file_options) <= set(entry.options)
