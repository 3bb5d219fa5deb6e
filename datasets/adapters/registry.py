"""Every data set adapter by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Literal

from ...errors import SettingError, UnknownNameError
from .base import Adapter

ENTRY_POINT_GROUP = "apertune.datasets"


@dataclass(frozen=True)
class AdapterEntry:
    """What is known of an adapter without importing it.

    target: "module:Class", relative to this package when it starts with a dot. image_size: pixels, the default
    of `--image-size`. channels: the default of `--channels`. objective: the metric a search should follow
    unless told otherwise, None for the task's default. options: the adapter's own options and what they mean.
    file_options: those of them that name a file. files_beside: whether a single file given as `--data` refers to
    files beside it. home: where the data officially lives.
    """

    target: str
    description: str
    image_size: int
    channels: Literal[1, 3]
    objective: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    file_options: tuple[str, ...] = ()
    needs_data: bool = True
    files_beside: bool = False
    home: str | None = None

    def create(self) -> Adapter:
        module, _, attribute = self.target.partition(":")
        adapter: Adapter = getattr(importlib.import_module(module, __package__), attribute)()
        return adapter


_POSITIVE = {"positive": "the class that counts as positive when there are two"}
_CLASSES = {"classes": "keep only these classes, separated by commas"}

_FOLDERS = AdapterEntry(
    target=".folders:FoldersAdapter",
    description="one folder of images a class, with or without train, validation and test folders above",
    image_size=128,
    channels=3,
    options=_POSITIVE | _CLASSES,
)

ADAPTERS: dict[str, AdapterEntry] = {
    "digits": AdapterEntry(
        target=".digits:DigitsAdapter",
        description="scikit-learn's handwritten digits, 8x8 greyscale, ten classes; no download",
        image_size=8,
        channels=1,
        needs_data=False,
    ),
    "fer2013": AdapterEntry(
        target=".fer2013:Fer2013Adapter",
        description="facial emotions, 48x48 greyscale, seven classes: fer2013.csv or folders of JPEG files",
        image_size=48,
        channels=1,
        objective="accuracy",
        options={"labels": "FER+ labels, fer2013new.csv"},
        file_options=("labels",),
        home="https://www.kaggle.com/datasets/deadskull7/fer2013",
    ),
    "folders": _FOLDERS,
    "binary": replace(_FOLDERS, description="the same as folders"),
    "simpsons": AdapterEntry(
        target=".simpsons:SimpsonsAdapter",
        description="Simpsons characters, one folder a character and a flat test folder",
        image_size=64,
        channels=3,
        options={"min-images": "leave out characters with fewer training images, 100 by default"} | _CLASSES,
        home="https://www.kaggle.com/datasets/alexattia/the-simpsons-characters-dataset",
    ),
    "voc2012": AdapterEntry(
        target=".voc2012:VocAdapter",
        description="PASCAL VOC, several labels a photograph: Annotations, JPEGImages, ImageSets/Main",
        image_size=128,
        channels=3,
        options={
            "all-images": "yes: every annotated image, split by us, whatever the lists say",
            "difficult": "keep: count objects marked difficult, too",
            "objects": "largest: only the class of the largest object, one label an image",
        },
        home="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    ),
    "table": AdapterEntry(
        target=".table:TableAdapter",
        description="a CSV or Parquet table of paths and labels, beside its images",
        image_size=128,
        channels=3,
        options={
            "path-column": "the column of paths, relative to the table",
            "label-column": "the column of labels, several separated by ;",
            "label-columns": "one column a label, holding 0 or 1, separated by commas",
            "split-column": "the column that says train, validation or test",
        }
        | _POSITIVE,
        files_beside=True,
    ),
}


def find_adapter(name: str) -> AdapterEntry:
    """Raises UnknownNameError when no adapter has this name."""
    entry = ADAPTERS.get(name) or all_adapters().get(name)
    if entry is None:
        raise UnknownNameError("data set", name, all_adapters())
    return entry


def all_adapters() -> dict[str, AdapterEntry]:
    """The adapters of this package and those that other distributions add. Raises SettingError on a doubled name."""
    adapters = dict(ADAPTERS)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        entry = point.load()
        if point.name in adapters:
            raise SettingError(f"two adapters are called '{point.name}'; the second is {point.value}: rename it")
        if not isinstance(entry, AdapterEntry):
            raise SettingError(
                f"entry point '{point.name}' of {ENTRY_POINT_GROUP} must be an AdapterEntry: {point.value}"
            )
        adapters[point.name] = entry
    return adapters
