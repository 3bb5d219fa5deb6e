"""Which data set reads which files, for those that were given to another one."""

from __future__ import annotations

from ..files.sources import Source

HDF5_SUFFIXES = (".h5", ".hdf5")
IDX_SUFFIXES = ("-ubyte", "-ubyte.gz")
ARRAY_SUFFIXES = (".npz", ".npy", *HDF5_SUFFIXES, *IDX_SUFFIXES)
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", "metadata.jsonl")


def reader_hint(source: Source, *others: str) -> str:
    """Returns words to put behind an error, such as "; digits.npz is read by the data set arrays"; empty without any.

    Args:
        source: The files that were given.
        others: The data sets that may be named: "arrays", "table", "folders".
    """
    files = [file for file in source.files if source.named in (None, file.path)]
    for other in others:
        if other == "folders":
            fitting = [file.path for file in files if file.is_image and "/" in file.path]
        else:
            suffixes = ARRAY_SUFFIXES if other == "arrays" else TABLE_SUFFIXES
            fitting = [file.path for file in files if file.path.lower().endswith(suffixes)]
        if fitting:
            return f"; {fitting[0]} is read by the data set {other}"
    return ""
