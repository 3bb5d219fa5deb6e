"""FER+ labels for FER2013: ten votes per image (Barsoum et al., 2016, arXiv:1608.01041).

Labels are taken by majority as the authors' own code does (`mode == "majority"` of ferplus.py, Microsoft's FERPlus).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...errors import DatasetError
from ...text import counted
from ..base import Index

_VOTES = {
    "neutral": "Neutral",
    "happiness": "Happy",
    "surprise": "Surprise",
    "sadness": "Sad",
    "anger": "Angry",
    "disgust": "Disgust",
    "fear": "Fear",
    "contempt": "Contempt",
}
_NO_FACE = ("unknown", "NF")
_ROWS_AT_ONCE = 1000


def relabel(index: Index, votes_file: Path, emotions: tuple[str, ...], scratch: Path) -> Index:
    """Gives each image the emotion that more than half of its votes name, single votes for an emotion left out.

    Images without such a majority are left out and counted, and those whose majority is for unknown or no face (NF).

    Args:
        index: The images of the CSV table.
        votes_file: FER+'s table fer2013new.csv, which has the rows of fer2013.csv in the same order.
        emotions: Class names in label order.
        scratch: The folder for the pixels of the images that are kept.

    Raises:
        DatasetError: The votes are not those of this table.
    """
    import numpy as np
    import pandas as pd

    if index.pixels is None:
        raise DatasetError("fer2013: --labels needs fer2013.csv, whose rows it labels; give that file with --data")
    votes = pd.read_csv(votes_file)
    votes.columns = votes.columns.str.strip()
    names = [*_VOTES, *_NO_FACE]
    missing = [name for name in names if name not in votes.columns]
    if missing:
        raise DatasetError(
            f"fer2013: --labels must be FER+'s fer2013new.csv, but {votes_file.name} has no column '{missing[0]}'"
        )
    rows = index.table["key"].str.removeprefix("line ").astype(int).to_numpy() - 2
    expected = len(rows) + len(index.bad)
    if len(votes) != expected or rows.max() >= len(votes):
        raise DatasetError(
            f"fer2013: {votes_file.name} must have one row per image, but has {counted(len(votes), 'row')} "
            f"for {counted(expected, 'image')}"
        )
    counts = votes[names].fillna(0).to_numpy(float)[rows]
    # One vote alone counts as a slip.
    counts[counts <= 1] = 0
    winner = counts.argmax(axis=1)
    undecided = counts.max(axis=1) <= counts.sum(axis=1) / 2
    faceless = winner >= len(_VOTES)
    kept = np.flatnonzero(~undecided & ~faceless)
    labels = np.array([*_VOTES.values(), "", ""])[winner[kept]]
    note = (
        f"FER+ labels: left out {counted(int((faceless & ~undecided).sum()), 'image')} voted unknown or no face, and "
        f"{counted(int(undecided.sum()), 'image')} without a majority"
    )
    pixels = np.lib.format.open_memmap(scratch / "kept.npy", "w+", np.uint8, (len(kept), *index.pixels.shape[1:]))
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = kept[start : start + _ROWS_AT_ONCE]
        pixels[start : start + len(part)] = index.pixels[part]
    table = index.table.iloc[kept].assign(label=labels).reset_index(drop=True)
    return replace(index, table=table, classes=emotions, pixels=pixels, notes=(*index.notes, note))
