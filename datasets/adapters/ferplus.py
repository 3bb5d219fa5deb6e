"""FER+ labels for FER2013: ten votes an image (Barsoum et al., 2016, arXiv:1608.01041)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...errors import DatasetError
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
    """Gives each image the emotion that most votes name; images without one are dropped and counted.

    index: of the CSV table. votes_file: fer2013new.csv, whose rows are those of fer2013.csv in order. Dropped
    are images that most votes call unknown or no face (NF), and ties. Raises DatasetError when the rows do
    not fit.
    """
    import numpy as np
    import pandas as pd

    if index.pixels is None:
        raise DatasetError("fer2013: --labels goes by the rows of fer2013.csv; give that file with --data")
    votes = pd.read_csv(votes_file)
    votes.columns = votes.columns.str.strip()
    names = [*_VOTES, *_NO_FACE]
    missing = [name for name in names if name not in votes.columns]
    if missing:
        raise DatasetError(f"fer2013: {votes_file.name} is no FER+ table: the column '{missing[0]}' is missing")
    rows = index.table["key"].str.removeprefix("line ").astype(int).to_numpy() - 2
    expected = len(rows) + len(index.bad)
    if len(votes) != expected or rows.max() >= len(votes):
        raise DatasetError(f"fer2013: {votes_file.name} has {len(votes)} rows, but the images are {expected}")
    counts = votes[names].fillna(0).to_numpy(float)[rows]
    winner = counts.argmax(axis=1)
    tied = (counts == counts.max(axis=1, keepdims=True)).sum(axis=1) > 1
    faceless = winner >= len(_VOTES)
    kept = np.flatnonzero(~tied & ~faceless)
    labels = np.array([*_VOTES.values(), "", ""])[winner[kept]]
    note = (
        f"FER+ labels: {int((faceless & ~tied).sum())} images dropped as unknown or no face, "
        f"{int(tied.sum())} for tied votes"
    )
    pixels = np.lib.format.open_memmap(scratch / "kept.npy", "w+", np.uint8, (len(kept), *index.pixels.shape[1:]))
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = kept[start : start + _ROWS_AT_ONCE]
        pixels[start : start + len(part)] = index.pixels[part]
    table = index.table.iloc[kept].assign(label=labels).reset_index(drop=True)
    return replace(index, table=table, classes=emotions, pixels=pixels, notes=(*index.notes, note))
