"""The table of the spaces that ship, and the loading of these and any other."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..datasets.base import DataSpec, ImageDataset, Task
from ..errors import SettingError, UnknownNameError
from ..keras_backend import check_backend

if TYPE_CHECKING:
    from .base import Space


@dataclass(frozen=True)
class Publication:
    """An article's experiment and its result."""

    dataset: str
    """The name of the data set's adapter."""
    epochs: int
    patience: int | None
    """Epochs without gain before training stopped; None where it never stopped early."""
    image_size: int
    """Pixels per side."""
    training_flops: float
    """Floating-point operations of training on one image for one epoch: three times those of an answer, or once where
    most of the network is frozen."""
    result: str
    """The result in the article's words, on its own test images."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """The numbers in it, by the names that the metrics have here."""
    classes: tuple[str, ...] = ()
    """Names of its classes; empty where the article does not list them."""
    class_count: int = 0
    """Number of its classes, where their names are not listed."""
    held_out: int | None = None
    """Images outside training in the official splits; None where the article drew splits of its own."""

    def fits(self, classes: Sequence[str], held_out: int) -> bool:
        """Returns whether a data set has the article's classes, and its official validation and test images.

        Args:
            classes: Names of the data set's classes.
            held_out: Validation and test images together.
        """
        if self.classes:
            same = {name.lower() for name in classes} == {name.lower() for name in self.classes}
        else:
            same = len(classes) == self.class_count
        return same and self.held_out in (None, held_out)


@dataclass(frozen=True)
class Entry:
    """One space that ships."""

    network: str
    """`.module:attribute` in this package that, called with the options, returns a `NetworkSpace`."""
    summary: str
    """One line for the list of spaces."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The options that `load` takes for it, each with its meaning."""
    recipe: str = ".recipes.standard:StandardRecipe"
    """`.module:attribute` in this package that, called, returns the `RecipeSpace` that goes with the network."""
    publication: Publication | None = None
    """The article that the space is taken from, if any."""


_VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
_FER2013_CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
_WEIGHTS = {"weights": "imagenet, none, a file, or a folder of files called as Keras publishes them"}

SPACES: dict[str, Entry] = {
    "convnet": Entry(
        ".networks.convnet:ConvNetSpace", "Plain convolutional networks of 1 to 6 blocks, small enough for a CPU."
    ),
    "residual": Entry(
        ".networks.residual:ResidualSpace", "ResNets from narrow to wide, with or without squeeze-and-excitation."
    ),
    "pretrained": Entry(
        ".networks.pretrained:PretrainedSpace",
        "Backbones trained on ImageNet with a new head, frozen at first and then fine-tuned.",
        options={**_WEIGHTS, "backbone": "one backbone to use, instead of searching all of them"},
    ),
    "emotion-cnn": Entry(
        ".networks.references:emotion",
        "Article on emotion in images: four convolutions with 64 filters and two dense layers.",
        recipe=".recipes.references:emotion",
        publication=Publication(
            "emotion", 10, None, 64, 1.4e9, "accuracy 0.55, AUC 0.57", {"accuracy": 0.55, "roc_auc": 0.57}
        ),
    ),
    "simpsons-cnn": Entry(
        ".networks.references:simpsons",
        "Article on the Simpsons: the network for CIFAR-10 of the Keras examples.",
        recipe=".recipes.references:simpsons",
        publication=Publication(
            "simpsons", 200, None, 64, 5.6e8, "F1 above 0.8 for 17 of 18 characters", class_count=18
        ),
    ),
    "fer2013-cnn": Entry(
        ".networks.references:fer2013",
        "Article on FER2013: five stages of convolutions with 5.8 million parameters.",
        recipe=".recipes.references:fer2013",
        publication=Publication(
            "fer2013",
            30,
            5,
            48,
            2.1e9,
            "accuracy 0.6266",
            {"accuracy": 0.6266},
            classes=_FER2013_CLASSES,
            held_out=7178,
        ),
    ),
    "fer2013-vgg": Entry(
        ".networks.references:fer2013_vgg",
        "Best published single network on FER2013 without other data: a VGG with batch normalisation and ten crops.",
        recipe=".recipes.references:fer2013_vgg",
        publication=Publication(
            "fer2013",
            300,
            None,
            48,
            2.1e9,
            "accuracy 0.7328, of epochs that were chosen on the split that others test on",
            {"accuracy": 0.7328},
            classes=_FER2013_CLASSES,
            held_out=7178,
        ),
    ),
    "voc2012-resnet50": Entry(
        ".networks.references:voc2012",
        "Article on VOC2012: a frozen ResNet50 with one dense layer.",
        options=_WEIGHTS,
        recipe=".recipes.references:voc2012",
        publication=Publication(
            "voc2012",
            5,
            None,
            128,
            2.5e9,
            "weighted F1 0.28 after one epoch",
            {"weighted_f1": 0.28},
            classes=_VOC_CLASSES,
            held_out=5823,
        ),
    ),
}


def reference_for(dataset: str) -> str | None:
    """Returns the name of the published space that a data set is compared with, if there is one."""
    for name, entry in SPACES.items():
        if entry.publication is not None and entry.publication.dataset == dataset:
            return name
    return None


def reference_network(adapter: str, task: Task) -> str | None:
    """Returns the name of the published space to train beside a search, if there is one.

    It is the data set's own. For other binary data sets in two folders, it is the space of the article on emotion in
    images, whose photographs came in that form; the scores that it published do not apply to them.
    """
    return reference_for(adapter) or ("emotion-cnn" if adapter in ("folders", "binary") and task == "binary" else None)


def publication_of(dataset: ImageDataset) -> tuple[str, Publication] | None:
    """Returns the space and the article that a data set is compared with; None unless classes and splits are its own.

    A set in the same layout, such as photographs of other things in that of VOC2012, is another data set.
    """
    name = reference_for(dataset.adapter)
    publication = SPACES[name].publication if name else None
    held_out = len(dataset.validation) + len(dataset.test)
    if name is None or publication is None or not publication.fits(dataset.classes, held_out):
        return None
    return name, publication


def published_scores(dataset: ImageDataset) -> dict[str, float]:
    """Returns the scores published for a data set by metric, empty where there are none."""
    found = publication_of(dataset)
    return dict(found[1].scores) if found else {}


def published_by(scores: Mapping[str, float]) -> str:
    """Returns in words which article published these scores, empty if none did."""
    for entry in SPACES.values():
        if scores and entry.publication is not None and entry.publication.scores == scores:
            return f"{entry.summary.rstrip('.')}: {entry.publication.result}"
    return ""


# The names that Python gives to the program itself.
_PROGRAMS = ("__main__", "__mp_main__")


def check_name(name: str) -> None:
    """Checks that a name is in `SPACES` or has the form `package.module:Name`.

    Raises:
        UnknownNameError: The name is not in `SPACES`.
        SettingError: The name has a colon, but not that form, or its module is the program that was started.
    """
    if ":" not in name:
        if name not in SPACES:
            raise UnknownNameError("space", name, SPACES)
    elif (path := name.partition(":")[0]).endswith(".py"):
        module = ".".join(PurePath(path).with_suffix("").parts)
        raise SettingError(
            f"--space takes package.module:Name, not the path of a file; write {module}:{name.partition(':')[2]}"
        )
    elif not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name):
        raise SettingError(
            f"--space must be a name that 'apertune spaces list' shows, or package.module:Name, but got '{name}'"
        )
    check_module("--space", name)


def check_module(setting: str, name: str) -> None:
    """Checks that workers can import the module of a `module:name`, which the program that was started is to none.

    Raises:
        SettingError: They cannot.
    """
    module, _, attribute = name.partition(":")
    if module.partition(".")[0] in _PROGRAMS:
        raise SettingError(
            f"{setting} must name a module that other processes can import, but {module} is the program that was "
            f"started; put {attribute} into a file such as my_space.py, and name it my_space:{attribute}"
        )


def check_options(name: str, options: Mapping[str, str]) -> None:
    """Checks that a space that ships has these options.

    Raises:
        SettingError: It has no such option.
    """
    entry = SPACES[name]
    for option in options:
        if option not in entry.options:
            if not entry.options:
                raise SettingError(f"space '{name}' has no options, but got {option}")
            raise UnknownNameError("space option", option, entry.options)


def check_weights_of(name: str, options: Mapping[str, str], backbones: Sequence[str] = ()) -> None:
    """Looks for the weights that a space that ships begins with, before a study is made.

    Args:
        name: A key of `SPACES`.
        options: The space's options, which are known ones.
        backbones: The only backbones that the user lets be searched, if any.

    Raises:
        UserError: Weights are not there and cannot be downloaded, or a backbone is unknown.
    """
    if "weights" not in SPACES[name].options:
        return
    from .networks.weights import WEIGHT_FILES, check_weights

    if "backbone" not in SPACES[name].options:
        wanted: Sequence[str] = ["resnet50"]
    elif "backbone" in options:
        wanted = [options["backbone"]]
    else:
        wanted = [one for one in backbones if one in WEIGHT_FILES] or list(WEIGHT_FILES)
    one_file = "backbone" in options or "backbone" not in SPACES[name].options
    check_weights(options.get("weights", "imagenet"), wanted, one_file=one_file)


def load(name: str, spec: DataSpec, *, recipe: str | None = None, options: Mapping[str, str] | None = None) -> Space:
    """Returns a space bound to a data set.

    Args:
        name: A key of `SPACES`, or `package.module:Name` for a space of the user's own.
        spec: The data set's facts.
        recipe: "standard" to train a space of the user's own by the recipe that ships.
        options: The space's options, such as `weights` for `pretrained`.

    Raises:
        UnknownNameError: There is no such space or recipe.
        SettingError: The recipe or an option would have no effect.
        SpaceError: The space cannot be imported.
    """
    options = options or {}
    check_name(name)
    check_backend()
    if ":" in name:
        from .foreign.loading import load_foreign

        return load_foreign(name, spec, recipe=recipe, options=options)
    entry = SPACES[name]
    if recipe is not None and (recipe != "standard" or entry.publication):
        raise SettingError(
            f"--recipe must be 'standard' and is for spaces of your own, but got '{recipe}' for '{name}', "
            "which has its own recipe; leave it out"
        )
    check_options(name, options)
    from .composed.hypermodel import ComposedSpace

    space: Space = ComposedSpace(name, target(entry.network)(**options), target(entry.recipe)(), spec)
    return space


def target(path: str) -> Any:
    """Returns the object that `.module:attribute` names in this package."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module, __package__), attribute)
