"""FER2013: faces as a CSV table of pixel values, or as folders of JPEG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from ...errors import DatasetError
from ..base import Index, Progress
from ..files.sources import Source, SourceFile
from .fer2013_csv import has_pixel_column, read_csv
from .folders import image_paths, list_class_folders

if TYPE_CHECKING:
    import pandas as pd

EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
FERPLUS_EMOTIONS = (*EMOTIONS, "Contempt")
_FOLDER_NAMES = {
    "anger": "Angry",
    "disgusted": "Disgust",
    "fearful": "Fear",
    "happiness": "Happy",
    "sadness": "Sad",
    "surprised": "Surprise",
    "neutrality": "Neutral",
} | {emotion.lower(): emotion for emotion in EMOTIONS}
_KNOWN_TABLES = ("fer2013.csv", "icml_face_data.csv", "train.csv")


class Fer2013Adapter:
    """Reads FER2013 as it is published, and under FER+ labels."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the rows of the CSV table when there is one, else the files in the folders.

        Options:
            labels: The path of FER+'s table fer2013new.csv.
        """
        table = _find_table(source)
        if table is None:
            if "labels" in options:
                raise DatasetError(
                    "fer2013: --labels needs fer2013.csv, whose rows it labels; give that file with --data"
                )
            return _index_folders(source)
        index = read_csv(source.root / table.path, scratch, EMOTIONS, progress)
        if "labels" in options:
            from .ferplus import relabel

            return relabel(index, Path(options["labels"]), FERPLUS_EMOTIONS, scratch)
        return index


def _find_table(source: Source) -> SourceFile | None:
    tables = {PurePosixPath(file.path).name.lower(): file for file in source.with_suffix(".csv")}
    for name in _KNOWN_TABLES:
        if name in tables and has_pixel_column(source.root / tables[name].path):
            return tables[name]
    fitting = [file for file in tables.values() if has_pixel_column(source.root / file.path)]
    if len(fitting) > 1:
        raise DatasetError(
            f"fer2013: several tables fit; give one of them with --data: {', '.join(f.path for f in fitting)}"
        )
    if not fitting and not source.images:
        raise DatasetError(
            "fer2013: --data must hold a CSV table with the columns emotion, pixels and Usage, or folders of images; "
            f"{source.root} holds neither"
        )
    return fitting[0] if fitting else None


def _index_folders(source: Source) -> Index:
    listing = list_class_folders(source, image_paths(source))
    unknown = sorted({label for label in listing.table["label"] if label.lower() not in _FOLDER_NAMES})
    if unknown:
        raise DatasetError(
            f"fer2013: folders must be named after emotions ({', '.join(EMOTIONS).lower()}), but one is called "
            f"'{unknown[0]}'; for other classes use the data set 'folders'"
        )
    table: pd.DataFrame = listing.table.assign(label=[_FOLDER_NAMES[label.lower()] for label in listing.table["label"]])
    return Index(table=table, classes=EMOTIONS, task="multiclass", notes=listing.notes)
