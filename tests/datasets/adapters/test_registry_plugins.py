"""Adapters of other distributions."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from guide import examples

from apertune.datasets import ADAPTERS, load
from apertune.datasets.adapters.registry import all_adapters
from apertune.errors import SettingError, UnknownNameError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _example(language: str) -> str:
    """The code block of CONTRIBUTING.md that shows an adapter (python) or how it is registered (toml)."""
    return examples("A data set adapter of your own", language)[0]


def _install(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes a distribution with the entry point of the example where Python finds it."""
    (folder / "npz_adapter.py").write_text(_example("python"))
    facts = folder / "npz_adapter-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: npz-adapter\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[apertune.datasets]\n{name} = npz_adapter:NPZ\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "npz_adapter", raising=False)


def test_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter that CONTRIBUTING.md shows, registered as it says, is found by name, listed, and loads."""
    assert _example("python").count("\n") <= 30
    assert tomllib.loads(_example("toml")) == {
        "project": {"entry-points": {"apertune.datasets": {"npz": "npz_adapter:NPZ"}}}
    }
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
    """A second adapter of the same name is refused, not silently preferred."""
    _install(tmp_path, "digits", monkeypatch)
    with pytest.raises(SettingError, match="two adapters are called 'digits'"):
        all_adapters()


def test_unknown_name() -> None:
    """An unknown name lists the known ones and suggests the nearest."""
    with pytest.raises(UnknownNameError, match=r"did you mean 'voc2012'\? Known: arrays, binary, cifar10"):
        load("voc2021")


def test_targets() -> None:
    """Every entry of the registry names a class that exists, and file options that are among its options."""
    for entry in ADAPTERS.values():
        assert callable(entry.create().index)
        assert set(entry.file_options) <= set(entry.options)
