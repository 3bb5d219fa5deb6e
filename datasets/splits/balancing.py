"""Moves groups of images between parts until each label has its share in each part, as nearly as groups allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..base import Labels, Rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Swaps are sought among this many groups of each part, those whose move alone would help most.
_CANDIDATES = 200
_MOST_STEPS = 2000
_LEAST_GAIN = 1e-9

Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of rows that stay together, numbered from 0, and the labels that each brings to its part."""

    of_row: Rows
    """The group of each row, int64 (rows,)."""
    sizes: Rows
    """The number of rows in each group, int64 (groups,)."""
    counts: csr_array
    """The number of images of each label in each group, (groups, labels)."""


def collect_groups(labels: Labels, groups: Rows) -> Groups:
    """Counts the labels of each group.

    Args:
        labels: int32 (n,), or uint8 multi-hot (n, labels).
        groups: int64 (n,); rows of one number are one group.
    """
    from scipy.sparse import coo_array

    _, of_row, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    rows: NDArray[Any]
    carried: NDArray[Any]
    if labels.ndim == 2:
        rows, carried = np.nonzero(labels)
        shape = (len(sizes), labels.shape[1])
    else:
        rows, carried = np.arange(len(labels)), labels
        shape = (len(sizes), int(labels.max(initial=0)) + 1)
    # Duplicate places are summed.
    counts = coo_array((np.ones(len(rows)), (of_row[rows], carried)), shape=shape).tocsr()
    return Groups(of_row, sizes, counts)


def balance(groups: Groups, owner: Rows, targets: Table, sizes: Table) -> Rows:
    """Improves a deal of groups to parts by moves of one group and by swaps of two.

    Nothing changes where every label, and the number of images, is within one image of its target in every part.
    Otherwise each step takes the move or swap that lowers the sum of squared deviations most, those of a label
    divided by its number of images so that rare labels count.

    Args:
        groups: The groups.
        owner: The part of each group, int64 (groups,).
        targets: Wanted images of each label in each part, (labels, parts); a part that wants nothing gets nothing.
        sizes: Wanted images of each part, (parts,).

    Returns:
        The part of each group.
    """
    deal = _Deal(groups, owner, np.vstack([targets, sizes]))
    if deal.is_even():
        return owner
    # Groups of one image each let the parts have exactly the sizes wanted, and swaps keep them.
    single = bool((groups.sizes == 1).all())
    while single and deal.resize():
        pass
    for _ in range(_MOST_STEPS):
        if not ((not single and deal.move()) or deal.swap()):
            break
    return deal.owner()


class _Deal:
    """A deal of groups to parts. Groups that bring the same labels are of one kind, and only kinds are compared."""

    def __init__(self, groups: Groups, owner: Rows, targets: Table) -> None:
        from scipy.sparse import csr_array, hstack

        brought = csr_array(hstack([groups.counts, csr_array(groups.sizes[:, None].astype(float))]))
        # Equal rows have equal products with random numbers, which are quicker to compare than the rows.
        marks = brought @ np.random.default_rng(0).random(brought.shape[1])
        _, first, kind = np.unique(marks, return_index=True, return_inverse=True)
        self._kinds = csr_array(brought[first])
        totals = np.maximum(targets.sum(axis=1), 1)
        self._weights = 1 / totals
        self._weights[-1] = self._weights[:-1].mean() if len(totals) > 1 else self._weights[-1]
        self._cost = self._kinds.power(2) @ self._weights
        self._owner: Rows = owner.copy()
        self._members: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for group, (number, part) in enumerate(zip(kind.tolist(), owner.tolist(), strict=True)):
            self._members[number, part].append(group)
        self._present = np.zeros((len(first), targets.shape[1]), np.int64)
        np.add.at(self._present, (kind, owner), 1)
        self._excess = self._kinds.T @ self._present - targets
        allowed = np.flatnonzero(targets[-1] > 0)
        self._ways = list(permutations(allowed.tolist(), 2))

    def is_even(self) -> bool:
        return bool(np.abs(self._excess).max(initial=0) < 1)

    def owner(self) -> Rows:
        return self._owner

    def move(self) -> bool:
        """Moves the one group that helps most; False when none helps."""
        return self._best_move(self._ways, -_LEAST_GAIN)

    def resize(self) -> bool:
        """Moves a group of the part with most images too many to the one with most too few; False when none has."""
        source, target = int(self._excess[-1].argmax()), int(self._excess[-1].argmin())
        if self._excess[-1, source] < 1:
            return False
        return self._best_move([(source, target)], np.inf)

    def _best_move(self, ways: Iterable[tuple[int, int]], best: float) -> bool:
        """Makes the move that changes the cost least, or lowers it most, below `best`; False when there is none."""
        found = None
        for source, target in ways:
            change = self._changes(source, target)
            kind = int(change.argmin())
            if change[kind] < best:
                best, found = change[kind], (kind, source, target)
        if found is not None:
            self._apply(*found)
        return found is not None

    def swap(self) -> bool:
        """Swaps the two groups that help most; False when none helps."""
        best, found = -_LEAST_GAIN, None
        for source, target in self._ways:
            if source > target:
                continue
            there, back = self._changes(source, target), self._changes(target, source)
            ones, others = _lowest(there), _lowest(back)
            left, right = self._kinds[ones].toarray(), self._kinds[others].toarray()
            change = there[ones][:, None] + back[others][None] - 4 * (left * self._weights) @ right.T
            if change.size and change.min() < best:
                one, other = np.unravel_index(int(change.argmin()), change.shape)
                best, found = change.min(), (int(ones[one]), int(others[other]), source, target)
        if found is not None:
            there_kind, back_kind, source, target = found
            self._apply(there_kind, source, target)
            self._apply(back_kind, target, source)
        return found is not None

    def _changes(self, source: int, target: int) -> Table:
        """The change of the cost by a move of one group of each kind; infinite where the part has none."""
        gap = self._weights * (self._excess[:, target] - self._excess[:, source])
        change = 2 * (self._kinds @ gap + self._cost)
        return np.where(self._present[:, source] > 0, change, np.inf)

    def _apply(self, kind: int, source: int, target: int) -> None:
        group = self._members[kind, source].pop()
        self._members[kind, target].append(group)
        self._owner[group] = target
        self._present[kind, source] -= 1
        self._present[kind, target] += 1
        brought = self._kinds[[kind]].toarray()[0]
        self._excess[:, source] -= brought
        self._excess[:, target] += brought


def _lowest(change: Table) -> Rows:
    """The kinds of the lowest changes, without infinite ones."""
    count = min(_CANDIDATES, len(change))
    lowest = np.argpartition(change, count - 1)[:count] if count else np.arange(0)
    kinds: Rows = lowest[np.isfinite(change[lowest])]
    return kinds
