"""Near hashes are grouped as by comparing all pairs, but in time and memory that grow as their number does."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

from apertune.datasets.base import Rows
from apertune.datasets.splits import duplicates
from apertune.datasets.splits.alike_hashes import alike_components
from apertune.datasets.splits.duplicates import find_duplicates


def always(one: Rows, other: Rows) -> np.ndarray:
    return np.ones(len(one), bool)


def scattered(random: np.random.Generator, scenes: int, each: int, bits: int) -> np.ndarray:
    """Hashes of `each` frames of every scene, which differ from their scene's hash in up to `bits` bits."""
    hashes = np.repeat(random.integers(0, 2**64, scenes, np.uint64, endpoint=False), each)
    for _ in range(bits):
        hashes ^= np.uint64(1) << random.integers(0, 64, len(hashes)).astype(np.uint64)
    return hashes


@pytest.mark.parametrize(("scenes", "each"), [(1, 400), (6, 100), (300, 2), (40, 12), (500, 1)])
def test_groups_as_by_all_pairs(scenes: int, each: int) -> None:
    """The groups are those of all pairs of hashes that differ in at most 5 bits, whatever their sizes."""
    hashes = scattered(np.random.default_rng(scenes), scenes, each, bits=2)
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= 5
    _, wanted = connected_components(near, directed=False)
    found = alike_components(hashes, always)
    assert len(np.unique(found)) == wanted.max() + 1 == len(np.unique(np.stack([found, wanted]), axis=1).T)
    assert all(found[first] == first for first in np.unique(found))


def test_a_chain_is_one_group() -> None:
    """Frames that drift, each alike to its neighbours alone, are one group; where the chain breaks, there are two."""
    hashes = (np.uint64(1) << np.arange(64, dtype=np.uint64)) - np.uint64(1)

    def neighbours(one: Rows, other: Rows) -> np.ndarray:
        return (np.abs(one - other) <= 2) & ((one < 30) == (other < 30))

    found = alike_components(hashes, neighbours)
    assert set(found.tolist()) == {0, 30}


@pytest.mark.parametrize("count", [2000, 8000])
def test_a_still_scene_is_compared_a_few_times_per_frame(count: int) -> None:
    """Each frame of one scene is compared with a few others, not with all, however many there are."""
    compared = 0

    def counting(one: Rows, other: Rows) -> np.ndarray:
        nonlocal compared
        compared += len(one)
        return np.ones(len(one), bool)

    found = alike_components(scattered(np.random.default_rng(0), 1, count, bits=3), counting)
    assert len(np.unique(found)) == 1
    assert compared < 10 * count


@pytest.mark.parametrize("alike", [True, False])
def test_bounded_memory(*, alike: bool) -> None:
    """The search takes a few megabytes for thousands of images, alike or not, and it ends within seconds."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 200, (1 if alike else 3000, 4, 4, 1), np.uint8)
    images = np.kron(coarse, np.ones((1, 8, 8, 1), np.uint8))
    images = images + random.integers(0, 3, (3000, 32, 32, 1), np.uint8)
    tracemalloc.start()
    started = time.perf_counter()
    found = find_duplicates(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(found.near)) == (1 if alike else 3000)
    assert peak < 150e6
    assert time.perf_counter() - started < 30


def test_thumbnails_too_many_for_memory_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The groups are the same when the thumbnails lie in a file, which is gone in the end."""
    images = np.kron(
        np.random.default_rng(0).integers(0, 255, (60, 5, 5, 3), np.uint8), np.ones((1, 8, 8, 1), np.uint8)
    )
    images = np.concatenate([images, np.minimum(images, 250) + 2])
    alone = find_duplicates(images)
    monkeypatch.setattr(duplicates, "_THUMBNAIL_BYTES_IN_MEMORY", 100)
    folder = tmp_path / "scratch"
    folder.mkdir()
    filed = find_duplicates(images, folder)
    assert filed.near.tolist() == alone.near.tolist() == [*range(60), *range(60)]
    assert list(folder.iterdir()) == []


def test_rounding_does_not_decide_a_hash() -> None:
    """Enlarged pictures, most of whose frequencies are zero but for rounding, have one hash in any order of sums."""
    small = np.random.default_rng(0).integers(0, 255, (60, 5, 5), np.uint8)
    planes = np.kron(small, np.ones((1, 8, 8), np.uint8)).astype(np.float32)
    waves = duplicates.low_frequencies(40)
    once = waves @ planes @ waves.T
    turned = (waves[:, ::-1] @ planes[:, ::-1] @ waves.T).astype(np.float32)
    exact = (waves.astype(np.float64) @ planes @ waves.T).astype(np.float32)
    assert not np.array_equal(once, turned)
    assert duplicates.hash_bits(once).tolist() == duplicates.hash_bits(turned).tolist()
    assert duplicates.hash_bits(once).tolist() == duplicates.hash_bits(exact).tolist()
