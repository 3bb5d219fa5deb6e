"""Openings of test images are counted by the images, whatever they are called, and make the gate stricter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apertune.datasets import LoadSettings, from_arrays, load
from apertune.datasets.base import ImageDataset
from apertune.search.promotion.opening import (
    EARLIER_FILE,
    count_openings,
    level_after,
    open_test_split,
    record_opening,
)
from apertune.search.promotion.row_keys import known_among, row_keys
from apertune.search.settings import Home, make_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("APERTUNE_CACHE", str(tmp_path / "cache"))
    return make_home({}, root=tmp_path / "mlflow")


def test_the_same_images_are_counted_under_any_name(home: Home) -> None:
    """A second study, another name and an export all count; another set does not."""
    digits = load("digits")
    assert count_openings(digits, home) == 0
    assert open_test_split(digits, home, "promotion of trial 3").openings == 1
    assert record_opening(replace(digits, name="renamed", fingerprint="ab" * 32), home, "export of renamed") == 2
    assert count_openings(digits, home) == 2
    noise = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1)).astype(np.uint8)
    other = from_arrays("noise", noise, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))
    assert record_opening(other, home, "promotion") == 1


def test_the_same_pictures_in_another_size_are_counted(home: Home) -> None:
    """Rows are known by where they came from, too, so another image size is no way around the count."""
    digits = load("digits")
    record_opening(digits, home, "promotion")
    larger = replace(digits, images=np.repeat(digits.images, 2, axis=1))
    assert count_openings(larger, home) == 1
    assert known_among(row_keys(larger, larger.test), row_keys(digits, digits.test)).all()


def test_a_split_drawn_anew_counts_what_it_shares(home: Home) -> None:
    """Another seed draws other test images, of which more than a tenth were opened before."""
    record_opening(load("digits"), home, "promotion")
    assert count_openings(load("digits", None, LoadSettings(seed=1)), home) == 1


def test_what_an_earlier_version_counted_stays(home: Home) -> None:
    """Records of the version that counted per study are added where the data are the same."""
    digits = load("digits")
    folder = home.study_folder("old")
    folder.mkdir(parents=True)
    lines = [{"fingerprint": digits.fingerprint}, {"fingerprint": "ab"}, {"fingerprint": digits.fingerprint}]
    (folder / EARLIER_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert count_openings(digits, home) == 2
    assert record_opening(digits, home, "promotion") == 3


def test_a_damaged_record_counts(home: Home) -> None:
    """A record that cannot be read was an opening all the same."""
    digits: ImageDataset = load("digits")
    record_opening(digits, home, "promotion")
    (file,) = (home.root / "test_openings").glob("*.npz")
    file.write_bytes(b"damaged")
    assert count_openings(digits, home) == 1


def test_the_levels_of_any_number_of_openings_have_a_bounded_sum() -> None:
    """The first level is 0.05; all together are at most twice that, of which a better equal uses half."""
    levels = [level_after(opening) for opening in range(1, 1001)]
    assert levels[0] == pytest.approx(0.05)
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) / 2 < 0.05
