"""Keys of images, written with a promotion and read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apertune.datasets import load
from apertune.errors import ModelError
from apertune.search.promotion.row_keys import LEARNED_FILE, known_among, read_learned, row_keys, write_learned


def test_learned_images_are_known_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and validation rows are among what was learned; test rows are not, but for equal pixels."""
    monkeypatch.setenv("APERTUNE_CACHE", str(tmp_path / "cache"))
    digits = load("digits")
    write_learned(digits, tmp_path)
    learned = read_learned(tmp_path / LEARNED_FILE)
    assert len(learned) == len(digits.train) + len(digits.validation)
    assert known_among(row_keys(digits, digits.train), learned).all()
    assert not known_among(row_keys(digits, digits.test), learned).any()


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """A file that is no archive, and one without keys, are refused in one line."""
    file = tmp_path / LEARNED_FILE
    file.write_bytes(b"no archive")
    with pytest.raises(ModelError, match=r"learned_rows\.npz is damaged"):
        read_learned(file)
    np.savez(file, keys=np.zeros(3, np.uint64))
    with pytest.raises(ModelError, match="holds no keys of images"):
        read_learned(file)
