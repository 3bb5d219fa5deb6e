"""The rule for names holds wherever a name becomes part of a path."""

from __future__ import annotations

import numpy as np
import pytest

from apertune.datasets import from_arrays
from apertune.datasets.names import check_name
from apertune.errors import SettingError

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "", ".", "..", "-x", "a b", "x" * 62, "a\n", 5, None])
def test_refused(name: object) -> None:
    """A name that leaves the folder, or cannot name an experiment, is refused with the rule in one line."""
    with pytest.raises(SettingError, match=r"^name must be letters, digits, '_' and '-' \(at most 61\), but got "):
        check_name("name", name)


@pytest.mark.parametrize("name", ["faces", "made-faces", "set_2", "Übung", "x" * 61])
def test_accepted(name: str) -> None:
    """Letters of any alphabet, digits, '_' and '-' make a name."""
    check_name("name", name)


def test_arrays_stay_in_the_cache() -> None:
    """Arrays under a name that would leave the cache are refused before anything is written."""
    with pytest.raises(SettingError, match=r"but got '\.\./\.\./x'"):
        from_arrays("../../x", IMAGES, np.arange(40) % 2)
