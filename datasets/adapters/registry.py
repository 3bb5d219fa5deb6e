"""The data set adapters by name."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from ...errors import SettingError, UnknownNameError
from ..base import Progress
from .base import Adapter

ENTRY_POINT_GROUP = "apertune.datasets"


@dataclass(frozen=True)
class AdapterEntry:
    """The facts about an adapter that are known without importing it."""

    target: str
    """The class, as "module:Class"; relative to this package when it starts with a dot."""
    description: str
    """A short description of the format."""
    image_size: int | None
    """The default of `--image-size`, in pixels; None where images keep their own size."""
    channels: Literal[1, 3] | None
    """The default of `--channels`; None where images keep their own."""
    objective: str | None = None
    """The metric that a search optimises by default; None for the default of the task."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The adapter's own options, each with its help text."""
    file_options: tuple[str, ...] = ()
    """The options that name a file."""
    needs_data: bool = True
    """The user must give the files with `--data`."""
    own_size: bool = False
    """Pixels that the adapter brings keep their size and colours unless the user states others."""
    files_beside: bool = False
    """A single file given with `--data` refers to files beside it."""
    revision: str = ""
    """Changed whenever the adapter comes to read the same files otherwise, so that they are read anew."""
    home: str | None = None
    """The address where the data is officially published."""
    finder: str | None = None
    """The function that finds the files, or fetches them, when they are not given with `--data`; written as `target`.
    It is called with the name of the data set and a `Progress`, and returns a path."""

    def create(self) -> Adapter:
        """Imports the adapter and makes one."""
        adapter: Adapter = _imported(self.target)()
        return adapter

    def find(self, name: str, progress: Progress) -> Path | None:
        """Finds the files of a data set for which none were given; None when it has no way to.

        Args:
            name: The data set.
            progress: Called while files are fetched.

        Raises:
            ApertuneError: They are not there, and cannot be fetched.
        """
        if self.finder is None:
            return None
        found: Path = _imported(self.finder)(name, progress)
        return found


def _imported(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module, __package__), attribute)


_POSITIVE = {"positive": "positive class when there are two classes"}
_CLASSES = {"classes": "classes to keep, separated by commas"}

_SEVERAL = {"labels": "repeated: a file in several class folders has them all; nested: each folder is a label"}
_PLACES = {
    "class-from": "folder level that names the class, or a pattern over the path whose parentheses catch it",
    "exclude": "patterns of files to leave out, separated by commas; masks of other images by default, none keeps all",
}
_FOLDERS = AdapterEntry(
    target=".folders:FoldersAdapter",
    description="one folder of images per class, with or without train, validation and test folders above",
    image_size=128,
    channels=3,
    options=_POSITIVE | _CLASSES | _SEVERAL | _PLACES,
    revision="pictures of annotations, stated splits and classes of flat splits",
)

# Keras keeps these sets in ~/.keras/datasets, and fetches them when they are not there; so does their finder.
_KERAS_SET = AdapterEntry(
    target=".keras_sets:Cifar10Adapter",
    description="",
    image_size=32,
    channels=3,
    objective="accuracy",
    needs_data=False,
    finder=".keras_sets:find",
)
_MNIST = replace(_KERAS_SET, target=".keras_sets:MnistAdapter", image_size=28, channels=1)

ADAPTERS: dict[str, AdapterEntry] = {
    "cifar10": replace(
        _KERAS_SET,
        description="Keras's CIFAR-10: photographs, 32x32, ten classes; from ~/.keras or its source",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "cifar100": replace(
        _KERAS_SET,
        target=".keras_sets:Cifar100Adapter",
        description="Keras's CIFAR-100: photographs, 32x32, a hundred classes; from ~/.keras or its source",
        options={"label-mode": "coarse: take the 20 superclasses instead of the 100 classes"},
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    "coco": AdapterEntry(
        target=".coco:CocoAdapter",
        description="COCO's annotations, several labels per image: instances_*.json beside the images",
        image_size=128,
        channels=3,
        options={"crowds": "yes: count annotations of crowds as well"},
        revision="folders of splits",
        files_beside=True,
        home="https://cocodataset.org",
    ),
    "digits": AdapterEntry(
        target=".digits:DigitsAdapter",
        description="scikit-learn's handwritten digits, 8x8 greyscale, ten classes; no download",
        image_size=8,
        channels=1,
        needs_data=False,
    ),
    "fashion_mnist": replace(
        _MNIST,
        target=".keras_sets:FashionMnistAdapter",
        description="Keras's Fashion-MNIST: clothes, 28x28 greyscale, ten classes; from ~/.keras or its source",
        home="https://github.com/zalandoresearch/fashion-mnist",
    ),
    "fer2013": AdapterEntry(
        target=".fer2013:Fer2013Adapter",
        description="facial emotions, 48x48 greyscale, seven classes: fer2013.csv or folders of JPEG files",
        image_size=48,
        channels=1,
        objective="accuracy",
        options={"labels": "FER+'s table of labels, fer2013new.csv"},
        file_options=("labels",),
        revision="names of split folders",
        home="https://www.kaggle.com/datasets/deadskull7/fer2013",
    ),
    "folders": _FOLDERS,
    "binary": replace(_FOLDERS, description="the same as folders"),
    "mnist": replace(
        _MNIST,
        description="Keras's MNIST: handwritten digits, 28x28 greyscale, ten classes; from ~/.keras or its source",
        home="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    ),
    "simpsons": AdapterEntry(
        target=".simpsons:SimpsonsAdapter",
        description="Simpsons characters, one folder per character and a flat test folder",
        image_size=64,
        channels=3,
        options={"min-images": "smallest number of training images for a character to be kept, 100 by default"}
        | _CLASSES,
        revision="split folders",
        home="https://www.kaggle.com/datasets/alexattia/the-simpsons-characters-dataset",
    ),
    "voc2012": AdapterEntry(
        target=".voc2012:VocAdapter",
        description="PASCAL VOC, several labels per photograph: Annotations, JPEGImages, ImageSets/Main",
        image_size=128,
        channels=3,
        options={
            "all-images": "yes: take every annotated image and draw new splits, whatever the lists say",
            "difficult": "keep: count objects marked difficult as well",
            "objects": "largest: take only the class of the largest object, one label per image",
        },
        revision="pairs of files, lists of what is not for testing",
        home="http://host.robots.ox.ac.uk/pascal/VOC/voc2012/",
    ),
    "table": AdapterEntry(
        target=".table:TableAdapter",
        description="a CSV or Parquet table of paths or pixels, and labels; or one per split",
        image_size=128,
        channels=3,
        options={
            "path-column": "column of paths, relative to the table",
            "label-column": "column of labels; several labels are separated by ;",
            "label-columns": "columns of 0 or 1, one per label, separated by commas; empty where unknown",
            "split-column": "column that says train, validation or test",
            "separator": "separator of the columns, such as ; or tab",
            "label-separator": "separator of several labels in one cell, such as | or space; none for one per cell",
            "labels": "repeated where an image has a row per label",
            "table": "path of the table in the folder, where it holds several",
            "pixel-max": "largest value of columns that hold pixels, where it is neither 1 nor 255",
            "root": "folder that the paths are relative to, itself relative to the table",
            "suffix": "end of the image files' names, for paths that lack it or end otherwise, such as _aligned.jpg",
            "group": "column of groups, such as persons, whose images stay in one split",
        }
        | _POSITIVE,
        revision="a row per image",
        files_beside=True,
        own_size=True,
    ),
    "yolo": AdapterEntry(
        target=".yolo:YoloAdapter",
        description="YOLO's annotations, several labels per image: labels/ beside images/, or texts beside images",
        image_size=128,
        channels=3,
        files_beside=True,
    ),
    "arrays": AdapterEntry(
        target=".arrays:ArraysAdapter",
        description="NPZ, NPY, HDF5, IDX or MATLAB files of images and labels, such as MedMNIST's",
        image_size=None,
        channels=None,
        options={
            "images": "part of the name of the arrays of images, where it is an unusual one",
            "labels": "part of the name of the arrays of labels, where it is an unusual one",
            "pixel-max": "largest value that a pixel may have, where it is neither 1 nor 255",
            "task": "multilabel where labels with a single 1 per row are no classes",
        }
        | _POSITIVE,
        own_size=True,
    ),
}


def find_adapter(name: str) -> AdapterEntry:
    """Finds an adapter by its name.

    Raises:
        UnknownNameError: No adapter has this name.
    """
    entry = ADAPTERS.get(name) or all_adapters().get(name)
    if entry is None:
        raise UnknownNameError("data set", name, all_adapters())
    return entry


def all_adapters() -> dict[str, AdapterEntry]:
    """The adapters of this package, and those that other distributions add.

    Raises:
        SettingError: Two adapters have the same name, or an entry point names something else.
    """
    adapters = dict(ADAPTERS)
    for point in entry_points(group=ENTRY_POINT_GROUP):
        entry = point.load()
        if point.name in adapters:
            raise SettingError(f"two adapters are called '{point.name}'; rename the one at {point.value}")
        if not isinstance(entry, AdapterEntry):
            raise SettingError(
                f"entry point '{point.name}' of {ENTRY_POINT_GROUP} must name an AdapterEntry, but {point.value} is "
                f"{type(entry).__name__}"
            )
        adapters[point.name] = entry
    return adapters
