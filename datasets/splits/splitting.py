"""Draws the rows that train, validate and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..base import STATED, Labels, Rows


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
    """Cuts rows into parts, with each label's share kept in each part.

    Args:
        labels: The labels of all rows.
        groups: int64 (n,); rows of one number stay in one part.
        rows: The rows to cut, sorted.
        shares: Sizes of the parts, relative to each other.
        seed: Random seed.

    Returns:
        The rows of each part, sorted.
    """
    fractions = np.asarray(shares, float) / sum(shares)
    if labels.ndim == 2:
        owner = _draw_multilabel(labels[rows], groups[rows], fractions, seed)
    else:
        owner = _draw_single_label(labels[rows], groups[rows], fractions, seed)
    return [rows[owner == part] for part in range(len(shares))]


def limit_rows(labels: Labels, rows: Rows, limit: int, seed: int) -> Rows:
    """Keeps `limit` of the rows, with each label's share kept; all of them when there are no more than that."""
    if limit >= len(rows):
        return rows
    alone = np.arange(len(labels))
    return draw(labels, alone, rows, (limit, len(rows) - limit), seed)[0]


def _draw_single_label(labels: Labels, groups: Rows, fractions: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Gives each row a part, int64 (n,): groups one by one, largest first, each to the part that lacks most rows."""
    # scikit-learn's StratifiedShuffleSplit keeps no groups together and refuses a class with one image, and its
    # StratifiedGroupKFold deals out equal parts only.
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    _, first, group_of, size = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    class_of_group = labels[first]
    owner = np.empty(len(size), np.int64)
    wanted = _whole_numbers(np.bincount(labels), fractions)
    rank = np.empty(len(size), np.int64)
    # A group has the place of its first row in the random order.
    rank[group_of[order[::-1]]] = np.arange(len(order))[::-1]
    for label in np.unique(class_of_group):
        members = np.flatnonzero(class_of_group == label)
        members = members[np.lexsort((rank[members], -size[members]))]
        lacking = wanted[label].astype(np.int64)
        large = members[size[members] > 1]
        for group in large:
            part = int(np.argmax(lacking))
            owner[group] = part
            lacking[part] -= size[group]
        owner[members[len(large) :]] = _deal(lacking, len(members) - len(large))
    return owner[group_of]


def _deal(lacking: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Gives `count` single rows to the parts that lack rows; any left over go to the first part."""
    room = np.maximum(lacking, 0)
    parts = np.repeat(np.arange(len(room)), room)[:count]
    return np.concatenate([parts, np.zeros(count - len(parts), np.int64)])


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


def _draw_multilabel(labels: Labels, groups: Rows, fractions: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Gives each row a part, int64 (n,), by iterative stratification of the groups (Sechidis et al., 2011).

    Each group carries all labels of its rows.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    _, group_of = np.unique(groups, return_inverse=True)
    carried = np.zeros((group_of.max() + 1, labels.shape[1]), np.uint8)
    np.maximum.at(carried, group_of, labels.astype(np.uint8))
    # A column of ones balances the sizes of the parts as well, and deals out images without a label.
    carried = np.hstack([carried, np.ones((len(carried), 1), np.uint8)])
    owner = np.zeros(len(carried), np.int64)
    left = np.arange(len(carried))
    for part in range(len(fractions) - 1, 0, -1):
        share = fractions[part] / fractions[: part + 1].sum()
        count = round(share * len(left))
        if 0 < count < len(left):
            splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=count, random_state=seed)
            kept, taken = next(splitter.split(left[:, None], carried[left]))
            owner[left[taken]] = part
            left = left[np.sort(kept)]
    return owner[group_of]
