"""Reads data sets with one folder of images per class."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DatasetError
from ...text import counted
from ..base import Index, Progress
from ..files.sources import Source
from ..path_rules import read_rule
from .image_files import without_excluded
from .label_names import clean_name, refuse_twins
from .listed_classes import with_listed_classes
from .readers import annotation_hint, reader_hint
from .split_folders import are_stated, find_layout, split_of, strip_common
from .split_lists import find_listed_splits

if TYPE_CHECKING:
    import pandas as pd


_CLASS_FROM = "--option class-from"
_RULES = "a folder level such as 2, or a pattern that matches every path"
# File names that begin with their class: cat.0.jpg, Abyssinian_12.jpg.
CLASS_IN_NAME = r"([^/]+?)[ ._-]*\d+\.\w+$"
_FOLDERS_SHOWN = 4


@dataclass(frozen=True, eq=False)
class Listing:
    """The images in class folders."""

    table: pd.DataFrame
    """One row per image, with the columns `key`, `label` and `split` of an `Index`."""
    notes: tuple[str, ...]
    """Lines that the user should read."""


class FoldersAdapter:
    """Reads one folder of images per class, with or without split folders above them."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images in the class folders; two classes make a binary task.

        Options:
            classes: The classes to keep, separated by commas.
            positive: The positive class of a binary task; by default the second in the alphabet.
            class-from: The folder level that names the class, or a pattern over the path whose parentheses catch it; by
                default the outermost folder that is no split.
            exclude: Patterns of files to leave out, separated by commas; by default masks of other images.
            labels: repeated for several labels per image, by copies of its file in several class folders; nested for
                one label per folder on the way to the image. One label per image by default.
        """
        if "labels" in options:
            return _several_labels(source, options)
        paths, left = without_excluded("folders", image_paths(source), options.get("exclude"))
        rule = options.get("class-from")
        listing = list_class_folders(source, paths, ruled=True) if rule is None else _list_by_rule(source, paths, rule)
        listing = _with_listed_splits(source, listing)
        table, notes = keep_classes(listing.table, options.get("classes"), "folders")
        classes = sort_classes(table["label"])
        if len(classes) < 2:
            held = "classes" if rule is not None else "class folders"
            raise DatasetError(
                f"folders: --data must hold at least two {held}, but holds only '{classes[0]}'"
                + ("" if rule is not None else _in_names(source, paths))
            )
        if len(classes) == 2:
            classes = with_positive("folders", classes, options.get("positive"))
        elif "positive" in options:
            raise DatasetError(
                f"folders: --positive needs exactly 2 classes, but got {len(classes)}; choose two with --classes A,B"
            )
        return Index(
            table=table,
            classes=classes,
            task="binary" if len(classes) == 2 else "multiclass",
            bad=source.bad_links,
            notes=(*left, *listing.notes, *notes),
        )


def _several_labels(source: Source, options: Mapping[str, str]) -> Index:
    """Lists images with several labels each.

    Raises:
        DatasetError: The option's value is unknown, or there are fewer than two labels.
    """
    import pandas as pd

    way = options["labels"]
    if way not in ("repeated", "nested"):
        raise DatasetError(f"folders: option labels must be repeated or nested, but got '{way}'")
    if others := sorted(options.keys() & {"positive", "classes", "class-from"}):
        flag = f"option {others[0]}" if others[0] == "class-from" else others[0]
        raise DatasetError(f"folders: --{flag} is for one label per image; leave it out with --option labels={way}")
    images, left = without_excluded("folders", image_paths(source), options.get("exclude"))
    if way == "repeated":
        table = list_class_folders(source, images).table
        table["content"] = [content_of(source.root / key) for key in table["key"]]
        together = table.groupby(["content", table["split"].fillna("")], sort=False)
        rows = [
            (group["key"].iloc[0], tuple(sorted(set(group["label"]))), group["split"].iloc[0]) for _, group in together
        ]
    else:
        paths = [path for path in images if "/" in path]
        folders = strip_common([tuple(path.split("/")[:-1]) for path in paths])
        rows = [
            (path, tuple(sorted({clean_name(part) for part in parts})), None)
            for path, parts in zip(paths, folders, strict=True)
        ]
    classes = sort_classes([name for _, names, _ in rows for name in names])
    refuse_twins("class folders", classes)
    if len(classes) < 2:
        raise DatasetError(
            f"folders: --data must hold at least two class folders, but {source.root} holds {len(classes)}"
        )
    return Index(
        table=pd.DataFrame(rows, columns=["key", "label", "split"]),
        classes=classes,
        task="multilabel",
        bad=source.bad_links,
        notes=left,
    )


def content_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def image_paths(source: Source) -> list[str]:
    """Returns the paths of a source's images."""
    return [file.path for file in source.images]


def list_class_folders(source: Source, paths: Sequence[str], *, ruled: bool = False) -> Listing:
    """Finds the class folders at any depth, and ready-made split folders above or below them.

    Args:
        source: The files.
        paths: The images among them.
        ruled: The user can give a rule for the class, which messages may offer.

    Raises:
        DatasetError: There are no images, they lie in no folders, or some folders are neither classes nor splits.
    """
    import pandas as pd

    inside = [path for path in paths if "/" in path]
    if not inside:
        found = f"{counted(len(paths), 'image')} without a folder" if paths else "no images"
        raise DatasetError(
            f"--data must hold one folder of images per class, but {source.root} holds {found}"
            + (_in_names(source, paths) if ruled else "")
            + ("" if paths else reader_hint(source, "arrays", "cifar10", "table"))
        )
    folders, stated = with_listed_classes(source, inside)
    layout = find_layout(folders)
    rows = [
        (path, clean_name(parts[0]), split)
        for path, parts, split in zip(inside, layout.folders, layout.splits, strict=True)
        if parts
    ]
    loose = len(paths) - len(rows) - layout.left_out
    if not rows:
        raise DatasetError(
            f"--data must hold one folder of images per class, but {source.root} holds only split folders"
        )
    table = pd.DataFrame(rows, columns=["key", "label", "split"])
    classes = sort_classes(table["label"])
    if len(classes) > 1 and all(split_of(name) for name in classes):
        raise DatasetError(
            f"--data must hold one folder of images per class, but {' and '.join(classes[:_FOLDERS_SHOWN])} are named "
            "like splits and hold images without class folders" + (_in_names(source, inside) if ruled else "")
        )
    notes = (f"left out {counted(loose, 'image')} outside the class folders",) if loose else ()
    refuse_twins("class folders", set(classes))
    same = _same_inside(inside, layout.folders) if ruled else ()
    return Listing(table, (*stated, *layout.notes, *notes, *same))


def _in_names(source: Source, paths: Sequence[str]) -> str:
    """Returns the way out where annotations lie with the images, files are named after their classes, or neither."""
    if hint := annotation_hint(source, paths):
        return hint
    named = [(path, match[1]) for path in paths if (match := re.search(CLASS_IN_NAME, path))]
    counts = Counter(name for _, name in named)
    # Images that no name labels, such as 17.jpg, are those of a test folder.
    if len(counts) > 1 and min(counts.values()) > 1:
        example = named[0][0]
        unnamed = len(paths) - len(named)
        first = f"; give one folder of them with --data and {_CLASS_FROM}" if unnamed else f"; give {_CLASS_FROM}"
        return f"{first}='{CLASS_IN_NAME}' if file names such as {example} begin with the class"
    return "; labels in a table are read by the data set table" if paths else ""


def _same_inside(paths: Sequence[str], folders: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Returns a word on class folders that all hold the same folders, since those may be the classes instead."""
    inside: dict[str, set[str]] = defaultdict(set)
    levels = set()
    for path, parts in zip(paths, folders, strict=True):
        if len(parts) == 1:
            return ()
        if parts:
            inside[parts[0]].add(parts[1])
            levels.add(path.count("/") - len(parts) + 2)
    shared = next(iter(inside.values()), set())
    if len(inside) < 2 or len(shared) < 2 or any(held != shared for held in inside.values()) or len(levels) > 1:
        return ()
    named = ", ".join(sort_classes(shared)[:_FOLDERS_SHOWN]) + (" and so on" if len(shared) > _FOLDERS_SHOWN else "")
    return (
        f"each of the {len(inside)} class folders ({', '.join(sort_classes(inside)[:_FOLDERS_SHOWN])}"
        f"{' and so on' if len(inside) > _FOLDERS_SHOWN else ''}) holds the same folders ({named}); if those are the "
        f"classes, give {_CLASS_FROM}={levels.pop()}",
    )


def _list_by_rule(source: Source, paths: Sequence[str], given: str) -> Listing:
    """Lists images whose classes the user's rule tells; outermost folders that are all named like splits are splits.

    Raises:
        DatasetError: There are no images.
        SettingError: The rule is none, or tells nothing of some image.
    """
    import pandas as pd

    if not paths:
        raise DatasetError(f"--data must hold images, but {source.root} holds none{reader_hint(source, 'arrays')}")
    rule = read_rule(_CLASS_FROM, _RULES, given)
    names = [clean_name("_".join(parts)) for parts in rule.names("folders", _CLASS_FROM, _RULES, paths)]
    folders = [tuple(path.split("/")[:-1]) for path in paths]
    tops = [parts[0] if parts else "" for parts in strip_common(folders)]
    splits: list[str | None] = [split_of(top) for top in tops]
    if not are_stated(splits):
        splits = [None] * len(paths)
    refuse_twins("classes", set(names))
    return Listing(pd.DataFrame({"key": list(paths), "label": names, "split": splits}), ())


def _with_listed_splits(source: Source, listing: Listing) -> Listing:
    """Takes the splits that lists of images state, where folders state none."""
    import pandas as pd

    table = listing.table
    if table["split"].notna().any():
        return listing
    listed = find_listed_splits(source, table["key"].tolist())
    if listed is None:
        return listing
    if not any(listed.splits):
        return Listing(table, (*listing.notes, *listed.notes))
    table = table.assign(split=pd.Series(listed.splits, table.index, dtype=object))
    return Listing(table[table["split"].notna()].reset_index(drop=True), (*listing.notes, *listed.notes))


def keep_classes(table: pd.DataFrame, wanted: str | None, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Keeps the images of some classes.

    Args:
        table: Images with the columns of an `Index`.
        wanted: Names of the classes to keep, separated by commas; None for all.
        name: The data set, for messages.

    Returns:
        The rows kept, and a note on those left out.

    Raises:
        DatasetError: A class to keep is not among the labels.
    """
    if wanted is None:
        return table, ()
    present = set(table["label"])
    keep = [label.strip() for label in wanted.split(",") if label.strip()]
    for label in keep:
        if label not in present:
            raise DatasetError(
                f"{name}: --classes has no class '{label}' to keep; the classes are {', '.join(sorted(present))}"
            )
    kept = table[table["label"].isin(keep)].reset_index(drop=True)
    return kept, (
        f"--classes kept {len(set(keep))} of {counted(len(present), 'class', 'classes')}, "
        f"{len(kept)} of {counted(len(table), 'image')}",
    )


def sort_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorts labels alphabetically; case decides only between names that are otherwise equal."""
    return tuple(sorted(set(labels), key=lambda label: (label.casefold(), label)))


def with_positive(name: str, classes: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
    """Puts the positive class second.

    Args:
        name: The data set, for the message.
        classes: The two classes.
        positive: The positive class; None to leave the order as it is.

    Raises:
        DatasetError: `positive` is neither class.
    """
    if positive is None or positive == classes[1]:
        return classes
    if positive != classes[0]:
        raise DatasetError(f"{name}: --positive must be '{classes[0]}' or '{classes[1]}', but got '{positive}'")
    return classes[1], classes[0]
