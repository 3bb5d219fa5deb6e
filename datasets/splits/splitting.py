"""Draws the rows that train, validate and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import STATED, Labels, Rows
from .balancing import Groups, balance, collect_groups


@dataclass(frozen=True, eq=False)
class Splits:
    """The row numbers of the three splits: int64, sorted; no row is in two of them."""

    train: Rows
    validation: Rows
    test: Rows


def make_splits(
    labels: Labels, stated: NDArray[np.int8], groups: Rows, shares: tuple[float, float, float], seed: int
) -> Splits:
    """Takes the splits that the format states, and draws the missing ones with each label's share kept.

    When the format states no split, or training alone, all three are drawn from everything. Otherwise a missing
    validation split is drawn from training, and a missing test split from validation.

    Args:
        labels: int32 (n,), or multi-hot (n, classes).
        stated: int8 (n,), coded as `STATED` says.
        groups: int64 (n,); rows of one number stay on one side of a split that is drawn.
        shares: Shares of train, validation and test.
        seed: Random seed for the splits that are drawn.
    """
    present = {name for name, code in STATED.items() if np.any(stated == code)}
    rows = {name: np.flatnonzero(stated == code) for name, code in STATED.items()}
    if present <= {"train"}:
        parts = draw(labels, groups, np.arange(len(labels)), shares, seed)
        return Splits(*parts)
    if "validation" not in present and "train" in present:
        wanted = (shares[0], shares[1])
        rows["train"], rows["validation"] = draw(labels, groups, rows["train"], wanted, seed)
    elif "test" not in present and "validation" in present:
        wanted = (shares[1], shares[2])
        rows["validation"], rows["test"] = draw(labels, groups, rows["validation"], wanted, seed)
    return Splits(rows["train"], rows["validation"], rows["test"])


def draw(labels: Labels, groups: Rows, rows: Rows, shares: Sequence[float], seed: int) -> list[Rows]:
    """Cuts rows into parts, with each label's share kept in each part as nearly as the groups allow.

    Args:
        labels: The labels of all rows.
        groups: int64 (n,); rows of one number stay in one part.
        rows: The rows to cut, sorted.
        shares: Sizes of the parts, relative to each other; a part of share 0 gets no row.
        seed: Random seed.

    Returns:
        The rows of each part, sorted.
    """
    if sum(shares) == 0 or len(rows) == 0:
        return [rows if part == 0 else rows[:0] for part in range(len(shares))]
    fractions = np.asarray(shares, float) / sum(shares)
    collected = collect_groups(labels[rows], groups[rows])
    counts = np.asarray(collected.counts.sum(axis=0)).astype(np.int64)
    targets: NDArray[np.float64]
    if labels.ndim == 2:
        start = _deal_multilabel(collected, fractions, seed)
        targets, sizes = counts[:, None] * fractions, _whole_numbers(np.array([len(rows)]), fractions)[0]
    else:
        wanted = _whole_numbers(counts, fractions)
        start = _deal_single_label(collected, wanted, seed)
        targets, sizes = wanted.astype(float), wanted.sum(axis=0)
    dealt = balance(collected, start, targets, sizes.astype(float))
    owner = _without_empty(collected, dealt, sizes)[collected.of_row]
    return [rows[owner == part] for part in range(len(shares))]


def _without_empty(groups: Groups, owner: Rows, sizes: NDArray[np.int64]) -> Rows:
    """Gives each part that wants rows and has none the smallest group of the part that has most groups.

    With few and large groups, an empty part may be nearer to its share than one with a whole group in it.

    Args:
        groups: The groups.
        owner: The part of each group, int64 (groups,).
        sizes: Wanted rows of each part, (parts,).
    """
    owner = owner.copy()
    for part in np.flatnonzero(sizes >= 1):
        held = np.bincount(owner, minlength=len(sizes))
        richest = int(held.argmax())
        if held[part] == 0 and held[richest] > 1:
            members = np.flatnonzero(owner == richest)
            owner[members[groups.sizes[members].argmin()]] = part
    return owner


def limit_rows(labels: Labels, rows: Rows, limit: int, seed: int) -> Rows:
    """Keeps `limit` of the rows, with each label's share kept; all of them when there are no more than that."""
    if limit >= len(rows):
        return rows
    alone = np.arange(len(labels))
    return draw(labels, alone, rows, (limit, len(rows) - limit), seed)[0]


def _deal_single_label(groups: Groups, wanted: NDArray[np.int64], seed: int) -> Rows:
    """Gives each group a part, int64 (groups,): largest first, each to the part that lacks most of its labels.

    Groups of several labels come first, since those of one label can make up for them.

    Args:
        groups: The groups.
        wanted: Wanted images of each label in each part, int64 (labels, parts).
        seed: Random seed for the order of groups of one size.
    """
    # scikit-learn's StratifiedShuffleSplit keeps no groups together and refuses a class with one image, and its
    # StratifiedGroupKFold deals out equal parts only.
    order = np.random.default_rng(seed).permutation(len(groups.of_row))
    rank = np.empty(len(groups.sizes), np.int64)
    # A group has the place of its first row in the random order.
    rank[groups.of_row[order[::-1]]] = np.arange(len(order))[::-1]
    owner = np.empty(len(groups.sizes), np.int64)
    lacking = wanted.copy()
    allowed = wanted.sum(axis=0) > 0
    by_size = np.lexsort((rank, -groups.sizes))
    kinds = np.diff(groups.counts.indptr)
    for group in by_size[kinds[by_size] > 1]:
        _give(groups, group, lacking, allowed, owner)
    only_label = groups.counts.indices[groups.counts.indptr[:-1]]
    plain = by_size[kinds[by_size] == 1]
    for label in np.unique(only_label[plain]):
        members = plain[only_label[plain] == label]
        large = members[groups.sizes[members] > 1]
        for group in large:
            _give(groups, group, lacking, allowed, owner)
        owner[members[len(large) :]] = _deal(lacking[label], len(members) - len(large))
    return owner


def _give(groups: Groups, group: int, lacking: NDArray[np.int64], allowed: NDArray[np.bool_], owner: Rows) -> None:
    """Gives one group to the part that lacks most of its labels, and counts it there."""
    place = slice(groups.counts.indptr[group], groups.counts.indptr[group + 1])
    labels, brought = groups.counts.indices[place], groups.counts.data[place].astype(np.int64)
    part = int(np.argmax(np.where(allowed, brought @ lacking[labels], np.iinfo(np.int64).min)))
    owner[group] = part
    lacking[labels, part] -= brought


def _deal(lacking: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Gives `count` single rows to the parts that lack rows; where they lack more, each goes without as many."""
    room = np.maximum(lacking, 0)
    while (over := int(room.sum()) - count) > 0:
        open_parts = np.flatnonzero(room)
        each = max(1, min(over // len(open_parts), int(room[open_parts].min())))
        room[open_parts[np.argsort(-room[open_parts], kind="stable")][:over]] -= each
    return np.repeat(np.arange(len(room)), room)


def _whole_numbers(counts: NDArray[np.int64], fractions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Shares out the rows of each class in whole numbers, (classes, parts), that sum to the counts.

    It uses largest remainders and carries the error from class to class, so that the totals come out right as well.
    """
    shared = np.empty((len(counts), len(fractions)), np.int64)
    owed = np.zeros(len(fractions))
    for label, count in enumerate(counts):
        exact = count * fractions
        whole = np.floor(exact).astype(np.int64)
        owed += exact - whole
        spare = int(count - whole.sum())
        eligible = np.where(fractions > 0, owed, -np.inf)
        for part in np.argsort(-eligible, kind="stable")[:spare]:
            whole[part] += 1
            owed[part] -= 1
        shared[label] = whole
    return shared


def _deal_multilabel(groups: Groups, fractions: NDArray[np.float64], seed: int) -> Rows:
    """Gives each group a part, int64 (groups,), by iterative stratification (Sechidis et al., 2011).

    Each group carries all labels of its rows.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    carried = (groups.counts > 0).toarray().astype(np.uint8)
    # A column of ones balances the sizes of the parts as well, and deals out images without a label.
    carried = np.hstack([carried, np.ones((len(carried), 1), np.uint8)])
    owner = np.full(len(carried), int(np.flatnonzero(fractions)[0]), np.int64)
    left = np.arange(len(carried))
    for part in range(len(fractions) - 1, 0, -1):
        share = fractions[part] / fractions[: part + 1].sum()
        count = round(share * len(left))
        if 0 < count < len(left):
            splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=count, random_state=seed)
            kept, taken = next(splitter.split(left[:, None], carried[left]))
            owner[left[taken]] = part
            left = left[np.sort(kept)]
    return owner
