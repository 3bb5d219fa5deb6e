"""The files of a table: the table itself or one per split, and the images that its rows name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ...errors import DatasetError
from ..files.sources import Source
from .readers import TABLE_SUFFIXES, reader_hint
from .split_folders import split_of_file
from .table_columns import USUAL_COLUMNS, plain_name

_TABLES_SHOWN = 5


@dataclass(frozen=True)
class TableFile:
    """A table among the files."""

    path: str
    """Its path in the source."""
    split: str | None
    """The split that its name or its folder's says, where there are several tables."""


def find_tables(source: Source) -> tuple[list[TableFile], list[str]]:
    """Finds the table, or those of the splits: `train.csv` and `test.csv`, or `train/_classes.csv` and so on.

    Returns:
        The tables, and the paths of others that are named like no split.

    Raises:
        DatasetError: There is no table, or there are several that are not named like splits.
    """
    if source.named is not None:
        if hint := reader_hint(source, "arrays"):
            raise DatasetError(f"table: --data must be a CSV or Parquet table{hint}")
        return [TableFile(source.named, None)], []
    paths = [file.path for file in source.with_suffix(*TABLE_SUFFIXES)]
    if len(paths) == 1:
        return [TableFile(paths[0], None)], []
    tables = [TableFile(path, split) for path in paths if (split := split_of_file(path)) is not None]
    if not any(table.split == "train" for table in tables):
        shown = ", ".join(paths[:_TABLES_SHOWN])
        found = f"several ({shown}); give one of them with --data" if paths else "none"
        hint = "" if paths else reader_hint(source, "arrays", "folders")
        raise DatasetError(f"table: --data must hold one CSV or Parquet table, but {source.root} holds {found}{hint}")
    known = {table.path for table in tables}
    return tables, [path for path in paths if path not in known]


class SourceFiles:
    """The files of a source, listed once for all of its tables.

    Args:
        source: The files.
    """

    def __init__(self, source: Source) -> None:
        self.root = source.root
        self.known = {file.path for file in source.files}
        self.by_stem: dict[str, str] = {}
        for known in sorted(self.known):
            self.by_stem.setdefault(str(PurePosixPath(known).with_suffix("")), known)
        self.images = {file.path for file in source.files if file.is_image}
        self.by_name = _by_last_parts(sorted(self.images))


class NamedImages:
    """The image files that a table may name.

    Args:
        files: The files.
        table: The table's path among them.
        options: The options `root` and `suffix`.

    Raises:
        DatasetError: The root lies elsewhere.
    """

    def __init__(self, files: SourceFiles, table: str, options: Mapping[str, str]) -> None:
        root = options.get("root", "")
        if Path(root).is_absolute():
            try:
                root = str(Path(root).resolve().relative_to(files.root))
            except ValueError:
                raise DatasetError(
                    f"table: --root must lie in the table's folder {files.root}, but got {root}"
                ) from None
            self._folder = PurePosixPath(root)
        else:
            self._folder = PurePosixPath(table).parent / root
        self._files = files
        self._suffix = options.get("suffix", "")

    def names_one(self, name: str) -> bool:
        """Returns whether a text names a file."""
        return self.find(name)[1] is None

    def names_picture(self, name: str) -> bool:
        """Returns whether a text names a file that is an image, and is no usual name of a column."""
        path, reason = self.find(name.strip())
        return reason is None and path in self._files.images and plain_name(name) not in USUAL_COLUMNS

    def find(self, name: str) -> tuple[str, str | None]:
        """Returns the path of a file by its name in the table, or why it cannot be used."""
        if not name or name.lower() == "nan":
            return "", "no path"
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute():
            resolved = Path(path)
            if not resolved.is_relative_to(self._files.root):
                return "", f"the path '{name[:80]}' leads out of the table's folder"
            key = str(resolved.relative_to(self._files.root))
        elif ".." in path.parts:
            return "", f"the path '{name[:80]}' leads out of the table's folder"
        else:
            key = str(self._folder / path)
        for candidate in (f"{key}{self._suffix}" if self._suffix else key, key):
            if candidate in self._files.known:
                return candidate, None
        # An id without a suffix; a name that has one is never taken for another file's.
        if not path.suffix and key in self._files.by_stem:
            return self._files.by_stem[key], None
        return self._elsewhere(path, name)

    def _elsewhere(self, path: PurePosixPath, name: str) -> tuple[str, str | None]:
        """Finds the image of a name in the folders below the table, as where images lie in several folders."""
        if path.is_absolute():
            return "", f"no such file: {name[:80]}"
        below = "" if self._folder == PurePosixPath(".") else f"{self._folder}/"
        for candidate in (f"{path}{self._suffix}", str(path)):
            found = [
                image for image in self._files.by_name.get(PurePosixPath(candidate).name, ()) if image.startswith(below)
            ]
            fitting = [image for image in found if _fits(image, candidate)]
            if len(fitting) == 1:
                return fitting[0], None
            if fitting:
                return "", f"several files are called {name[:80]}, such as {fitting[0]} and {fitting[1]}"
        return "", f"no such file: {name[:80]}"


def _by_last_parts(images: Sequence[str]) -> dict[str, list[str]]:
    """Returns the images by their files' names, with and without the suffix."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for image in images:
        plain = PurePosixPath(image)
        for name in {plain.name, plain.stem}:
            found[name].append(image)
    return dict(found)


def _fits(image: str, name: str) -> bool:
    """Returns whether a path ends with a name, which lacks the suffix or has the same one."""
    return f"/{image}".endswith(f"/{name}") or f"/{PurePosixPath(image).with_suffix('')}".endswith(f"/{name}")
