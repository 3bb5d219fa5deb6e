"""Groups pictures whose perceptual hashes are near, in time that grows as their number does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..base import Rows

Hashes = NDArray[np.uint64]
# Takes two arrays of rows, int64 (pairs,), and tells which of the pairs are one picture, bool (pairs,).
Alike = Callable[[Rows, Rows], NDArray[np.bool_]]

# Candidate pairs are hashes that agree in a whole band of bits. Hashes that differ in at most _BANDS - 1 bits always
# do, and so do most that differ in a few more.
_BANDS = 6
_MOST_BITS = 10
_PAIRS_AT_ONCE = 1 << 18
_COMPARED_AT_ONCE = 1 << 12
# In a bucket of more rows than this, all are first compared with a few of them, which joins the frames of a still
# scene, and then no more rows than this of one group go on to be compared with the other groups.
_LARGE_BUCKET = 64
_PIVOTS = 8
_KEPT_PER_GROUP = 16
# No row is compared with more than this many others of one bucket: those whose hashes follow in order.
_MOST_PARTNERS = 2048


class _Components:
    """Groups of rows, joined bit by bit."""

    def __init__(self, count: int) -> None:
        self.of = np.arange(count)
        """The group of each row: its first row, int64 (n,)."""

    def join(self, one: Rows, other: Rows) -> None:
        """Joins the groups of pairs of rows."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        if len(one) == 0:
            return
        links = coo_array((np.ones(len(one), np.int8), (self.of[one], self.of[other])), shape=(len(self.of),) * 2)
        _, numbers = connected_components(links, directed=False)
        numbers = numbers[self.of]
        _, first, group = np.unique(numbers, return_index=True, return_inverse=True)
        self.of = first[group]


def alike_components(hashes: Hashes, alike: Alike) -> Rows:
    """Groups the rows that a chain of alike pictures connects.

    Args:
        hashes: uint64 (n,).
        alike: Compares pictures whose hashes differ in few bits.

    Returns:
        int64 (n,): the first row of each one's group.
    """
    groups = _Components(len(hashes))
    for order, starts, counts in _buckets(hashes):
        _join_by_pivots(hashes, alike, groups, order, starts, counts)
        for one, other in _pairs(*_thinned(groups.of, order, counts)):
            _compare(hashes, alike, groups, one, other)
    return groups.of


def band_edges(bands: int = _BANDS) -> list[tuple[int, int]]:
    """The first bit of each band, and the bit after its last."""
    return list(pairwise(np.linspace(0, 64, bands + 1).astype(int).tolist()))


def _buckets(hashes: Hashes) -> Iterator[tuple[Rows, Rows, Rows]]:
    """Yields, for each band, the rows in the order of their bits from that band on, and the buckets in this order.

    Yields:
        The rows, and the start and the size of each bucket of rows that agree in the band.
    """
    for low, high in band_edges():
        # A shift by 64 bits is undefined.
        turned = (hashes >> np.uint64(low)) | (hashes << np.uint64(64 - low)) if low else hashes
        # The band goes to the highest bits, so that rows of one bucket are sorted by the bits after it.
        shift = np.uint64(64 - (high - low))
        turned = (turned << shift) | (turned >> (np.uint64(64) - shift))
        order = np.argsort(turned, kind="stable")
        _, starts, counts = np.unique((turned >> shift)[order], return_index=True, return_counts=True)
        yield order, starts, counts


def _join_by_pivots(hashes: Hashes, alike: Alike, groups: _Components, order: Rows, starts: Rows, counts: Rows) -> None:
    """Compares all rows of each large bucket with a few of its rows that stand alone so far."""
    large = counts > _LARGE_BUCKET
    starts, counts = starts[large], counts[large]
    random = np.random.default_rng(0)
    for _ in range(_PIVOTS):
        if len(starts) == 0:
            return
        pivots = order[starts + random.integers(0, counts)]
        begins = np.cumsum(counts) - counts
        others = order[np.arange(counts.sum()) + np.repeat(starts - begins, counts)]
        _compare(hashes, alike, groups, np.repeat(pivots, counts), others)
        mixed = np.maximum.reduceat(groups.of[others], begins) != np.minimum.reduceat(groups.of[others], begins)
        starts, counts = starts[mixed], counts[mixed]


def _thinned(groups: Rows, order: Rows, counts: Rows) -> tuple[Rows, Rows]:
    """Leaves out rows of large buckets beyond the first few of each group, and buckets of one group.

    Returns:
        The rows kept, in their order, and the number of them in each bucket.
    """
    bucket = np.repeat(np.arange(len(counts)), counts)
    owner = groups[order]
    by_group = np.lexsort((owner, bucket))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(owner[by_group]) != 0) | (np.diff(bucket[by_group]) != 0)
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    rank = np.empty(len(order), np.int64)
    rank[by_group] = place
    several = np.bincount(bucket[by_group[new]], minlength=len(counts)) > 1
    kept = several[bucket] & ((rank < _KEPT_PER_GROUP) | (counts[bucket] <= _LARGE_BUCKET))
    return order[kept], np.bincount(bucket[kept], minlength=len(counts))


def _pairs(order: Rows, counts: Rows) -> Iterator[tuple[Rows, Rows]]:
    """Yields pairs of rows of one bucket: each row with those after it."""
    ends = np.repeat(np.cumsum(counts), counts)
    partners = np.minimum(ends - np.arange(len(order)) - 1, _MOST_PARTNERS)
    for begin, end in _pieces(partners):
        reach = partners[begin:end]
        one = np.repeat(np.arange(begin, end), reach)
        step = np.arange(len(one)) - np.repeat(np.cumsum(reach) - reach, reach)
        yield order[one], order[one + step + 1]


def _pieces(partners: Rows) -> Iterator[tuple[int, int]]:
    """Cuts the rows into ranges that hold about _PAIRS_AT_ONCE pairs each."""
    total = np.cumsum(partners)
    begin = 0
    while begin < len(partners):
        done = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, done + _PAIRS_AT_ONCE)))
        yield begin, end
        begin = end


def _compare(hashes: Hashes, alike: Alike, groups: _Components, one: Rows, other: Rows) -> None:
    """Joins the pairs that are one picture; pairs that earlier ones have joined are not compared again."""
    near = np.bitwise_count(hashes[one] ^ hashes[other]) <= _MOST_BITS
    one, other = one[near], other[near]
    while len(one):
        apart = groups.of[one] != groups.of[other]
        one, other = one[apart], other[apart]
        left, right = one[:_COMPARED_AT_ONCE], other[:_COMPARED_AT_ONCE]
        same = alike(left, right)
        groups.join(left[same], right[same])
        one, other = one[_COMPARED_AT_ONCE:], other[_COMPARED_AT_ONCE:]
