"""Names the data set that reads some files, for those that were given to another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ..files.sources import Source

HDF5_SUFFIXES = (".h5", ".hdf5")
IDX_SUFFIXES = ("-ubyte", "-ubyte.gz")
ARRAY_SUFFIXES = (".npz", ".npy", ".mat", *HDF5_SUFFIXES, *IDX_SUFFIXES)
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", "metadata.jsonl")

CIFAR_BATCH = "data_batch_1"

# The data sets that read annotations of one file per image, by its suffix.
_ANNOTATIONS = {".xml": "voc2012", ".txt": "yolo"}
# Files that no data set reads, by their suffixes, and what to do with them.
_UNREAD = {
    (".xlsx", ".xls", ".ods"): "is a spreadsheet: save it as CSV",
    (".tfrecord", ".tfrecords", ".tfrec"): "holds records of TensorFlow: open them in Python, with from_tf_dataset",
    (".pkl", ".pickle"): "is a pickle, which may run code: load it in Python, and give its arrays to from_arrays",
}
_COCO = "annotations.coco.json", "instances"


def annotation_hint(source: Source, paths: Sequence[str]) -> str:
    """Returns words as `reader_hint` does, where annotations lie with images that no folder labels; empty without any.

    Args:
        source: The files that were given.
        paths: The images.
    """
    stems = {PurePosixPath(path).stem for path in paths}
    for suffix, reader in _ANNOTATIONS.items():
        fitting = [file.path for file in source.with_suffix(suffix) if PurePosixPath(file.path).stem in stems]
        if fitting and len(fitting) * 2 >= len(paths):
            return f"; annotations such as {fitting[0]} are read by the data set {reader}"
    for file in source.with_suffix(".json"):
        if PurePosixPath(file.path).name.lstrip("_").startswith(_COCO):
            return f"; {file.path} is read by the data set coco"
    return ""


def reader_hint(source: Source, *others: str) -> str:
    """Returns words to put behind an error, such as "; digits.npz is read by the data set arrays"; empty without any.

    Files that no data set reads come first, with what to do about them.

    Args:
        source: The files that were given.
        others: The data sets that may be named: "arrays", "cifar10", "table", "folders".
    """
    files = [file for file in source.files if source.named in (None, file.path)]
    for suffixes, words in _UNREAD.items():
        for file in files:
            if file.path.lower().endswith(suffixes):
                return f"; {file.path} {words}"
    for other in others:
        if other == "folders":
            fitting = [file.path for file in files if file.is_image and "/" in file.path]
        elif other == "cifar10":
            fitting = [file.path for file in files if PurePosixPath(file.path).name == CIFAR_BATCH]
        else:
            suffixes = ARRAY_SUFFIXES if other == "arrays" else TABLE_SUFFIXES
            fitting = [file.path for file in files if file.path.lower().endswith(suffixes)]
        if fitting:
            return f"; {fitting[0]} is read by the data set {other}"
    return ""
