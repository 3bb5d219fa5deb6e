"""The files of a table: the table itself or one per split, and the images that its rows name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path, PurePosixPath

from ...errors import DatasetError
from ...text import some_of
from ..files.sources import Source
from .image_files import masks_among
from .readers import TABLE_SUFFIXES, reader_hint
from .split_folders import split_of_file
from .table_columns import USUAL_COLUMNS, plain_name
from .table_reading import read_table

_TABLES_SHOWN = 5
# A text file is a table where some of its first lines, and half of them, name an image and something else.
_LINES_READ = 40
_LEAST_NAMING = 2
_MOST_FILES = 100
_LARGEST_DOCUMENT = 64 << 20
# Folders that all paths begin with are looked for with this many of them.
_PATHS_TRIED = 20


@dataclass(frozen=True)
class TableFile:
    """A table among the files."""

    path: str
    """Its path in the source."""
    split: str | None
    """The split that its name or its folder's says, where there are several tables."""


def find_tables(source: Source, files: SourceFiles, options: Mapping[str, str]) -> tuple[list[TableFile], list[str]]:
    """Finds the table, or those of the splits: `train.csv` and `test.csv`, or `train/_classes.csv` and so on.

    Args:
        source: The files.
        files: The same files, listed.
        options: The options: `table`, the path of the table among them, and those of `NamedImages`.

    Returns:
        The tables, and the paths of others that are named like no split.

    Raises:
        DatasetError: There is no table, or there are several that are not named like splits.
    """
    wanted = options.get("table")
    if source.named is not None:
        if hint := reader_hint(source, "arrays"):
            raise DatasetError(f"table: --data must be a CSV or Parquet table{hint}")
        if wanted is not None:
            raise DatasetError("table: --option table chooses among the files of a folder, but --data is a file")
        return [TableFile(source.named, None)], []
    if wanted is not None and (path := str(PurePosixPath(wanted.replace("\\", "/")))) in files.known:
        return [TableFile(path, None)], []
    paths = [file.path for file in source.with_suffix(*TABLE_SUFFIXES)] or _other_tables(source, files, options)
    if wanted is not None:
        held = f"; its tables are {some_of(paths, _TABLES_SHOWN)}" if paths else ""
        raise DatasetError(f"table: --option table must be a file in {source.root}, but got '{wanted}'{held}")
    if len(paths) == 1:
        return [TableFile(paths[0], None)], []
    tables = [TableFile(path, split) for path in paths if (split := split_of_file(path)) is not None]
    if not any(table.split == "train" for table in tables):
        shown = some_of(paths, _TABLES_SHOWN)
        found = f"several ({shown}); choose one with --option table=PATH" if paths else "none"
        hint = "" if paths else reader_hint(source, "arrays", "folders")
        raise DatasetError(f"table: --data must hold one CSV or Parquet table, but {source.root} holds {found}{hint}")
    known = {table.path for table in tables}
    return tables, [path for path in paths if path not in known]


def _other_tables(source: Source, files: SourceFiles, options: Mapping[str, str]) -> list[str]:
    """Returns other files that list images with something else: JSON documents, or texts as CelebA has."""
    texts, documents, found = source.with_suffix(".txt"), source.with_suffix(".json"), []
    # More of them are annotations of an image each.
    for file in documents if len(documents) <= _MOST_FILES else ():
        if file.size <= _LARGEST_DOCUMENT and _is_table(source, file.path, NamedImages(files, file.path, options)):
            found.append(file.path)
    for file in texts if len(texts) <= _MOST_FILES else ():
        images = NamedImages(files, file.path, options)
        with (source.root / file.path).open(encoding="utf-8-sig", errors="replace") as text:
            rows = [re.split(r"[,;\s]+", line.strip()) for line in islice(text, _LINES_READ)]
        naming = sum(len(row) > 1 and any(images.names_one(cell) for cell in row) for row in rows)
        # Names of columns, a number of rows and remarks may come first.
        if naming >= _LEAST_NAMING and 2 * naming >= len(rows):
            found.append(file.path)
    return found


def _is_table(source: Source, path: str, images: NamedImages) -> bool:
    """Returns whether a JSON document is a table one of whose first rows names an image."""
    try:
        table, _ = read_table(source.root / path, None, images.names_picture)
    except DatasetError:
        return False
    return any(images.names_picture(str(cell)) for row in table.head(_LINES_READ).to_numpy() for cell in row)


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
        self.by_name = _by_last_parts(sorted(self.images - masks_among(self.images)))


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
        self._strict = bool(root)
        self._without: tuple[str, ...] = ()
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

    @property
    def are_any(self) -> bool:
        """Tells that there are images at all."""
        return bool(self._files.images)

    def names_one(self, name: str) -> bool:
        """Returns whether a text names a file."""
        return self.find(name)[1] is None

    def names_picture(self, name: str) -> bool:
        """Returns whether a text names a file that is an image, and is no usual name of a column."""
        path, reason = self.find(name.strip())
        return reason is None and path in self._files.images and plain_name(name) not in USUAL_COLUMNS

    def forget_folders(self, names: Iterable[str]) -> str | None:
        """Finds what all paths of a table begin with and the files lack, as where they name another machine's folders.

        From then on paths are read without it.

        Args:
            names: The paths.

        Returns:
            The folders that paths are read without; None where some paths are found as they are, or none are without.
        """
        paths = [PurePosixPath(name.replace("\\", "/")) for name in names if name and name.lower() != "nan"]
        tried = [str(path) for path in paths[:: max(1, len(paths) // _PATHS_TRIED)]]
        if not paths or any(map(self.names_one, tried)):
            return None
        shared = paths[0].parent.parts
        for path in paths:
            same = (one == other for one, other in zip(shared, path.parts, strict=False))
            shared = shared[: sum(1 for _ in takewhile(bool, same))]
        for count in range(1, len(shared) + 1):
            self._without = shared[:count]
            if all(map(self.names_one, tried)):
                return str(PurePosixPath(*self._without))
        self._without = ()
        return None

    def find(self, name: str) -> tuple[str, str | None]:
        """Returns the path of a file by its name in the table, or why it cannot be used."""
        if not name or name.lower() == "nan":
            return "", "no path"
        path = PurePosixPath(name.replace("\\", "/"))
        if self._without and path.parts[: len(self._without)] == self._without:
            path = PurePosixPath(*path.parts[len(self._without) :])
        if path.is_absolute():
            resolved = Path(path)
            if not resolved.is_relative_to(self._files.root):
                return "", f"the path '{name[:80]}' leads out of the table's folder"
            key = str(resolved.relative_to(self._files.root))
        elif ".." in path.parts:
            return "", f"the path '{name[:80]}' leads out of the table's folder"
        else:
            key = str(self._folder / path)
        for candidate in self._with_suffix(key):
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
        for candidate in self._with_suffix(str(path)):
            found = self._files.by_name.get(PurePosixPath(candidate).name, ())
            fitting = [image for image in found if _fits(image, candidate)]
            near = [image for image in fitting if image.startswith(below)]
            # Images may also lie beside the table's folder, as those of ISIC do.
            fitting = near if near or self._strict else fitting
            if len(fitting) == 1:
                return fitting[0], None
            if fitting:
                return "", f"several files are called {name[:80]}, such as {fitting[0]} and {fitting[1]}"
        return "", f"no such file: {name[:80]}"

    def _with_suffix(self, name: str) -> tuple[str, ...]:
        """Returns what the file of a name may be called: `1.jpg` is `1_aligned.jpg` where that is the suffix's end."""
        if not self._suffix:
            return (name,)
        plain = str(PurePosixPath(name).with_suffix(""))
        return tuple(dict.fromkeys((f"{name}{self._suffix}", f"{plain}{self._suffix}", name)))


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
