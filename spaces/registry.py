"""The spaces that ship, and how any other is loaded."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..datasets.base import DataSpec, Task
from ..errors import SettingError, UnknownNameError

if TYPE_CHECKING:
    from .base import Space


@dataclass(frozen=True)
class Publication:
    """What an article reported. dataset: the adapter's name. patience: epochs without gain, None for no stopping.

    result: in its words; scores: those of it that are numbers, by the metrics' names here. On its own test images.
    """

    dataset: str
    epochs: int
    patience: int | None
    image_size: int
    result: str
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """network: `module:attribute` of this package; called with the options, it gives a `NetworkSpace`.

    summary: one line. options: that `load` takes for it, and what they mean. recipe: `module:attribute` that,
    called, gives the `RecipeSpace` that goes with it.
    """

    network: str
    summary: str
    options: Mapping[str, str] = field(default_factory=dict)
    recipe: str = ".recipes.standard:StandardRecipe"
    publication: Publication | None = None


_WEIGHTS = {"weights": "imagenet, none or a file of weights"}

SPACES: dict[str, Entry] = {
    "convnet": Entry(".networks.convnet:ConvNetSpace", "Plain convolutional networks, 1 to 6 blocks; fit for a CPU."),
    "residual": Entry(
        ".networks.residual:ResidualSpace", "ResNets, narrow to wide, with or without squeeze-excitation."
    ),
    "pretrained": Entry(
        ".networks.pretrained:PretrainedSpace",
        "Backbones trained on ImageNet under a new head, frozen and then fine-tuned.",
        options={**_WEIGHTS, "backbone": "one of the backbones, instead of searching them"},
    ),
    "emotion-cnn": Entry(
        ".networks.references:emotion",
        "Article on emotion in images: four convolutions of 64, two dense layers.",
        recipe=".recipes.references:emotion",
        publication=Publication(
            "emotion", 10, None, 64, "accuracy 0.55, AUC 0.57", {"accuracy": 0.55, "roc_auc": 0.57}
        ),
    ),
    "simpsons-cnn": Entry(
        ".networks.references:simpsons",
        "Article on the Simpsons: the CIFAR-10 network of the Keras examples.",
        recipe=".recipes.references:simpsons",
        publication=Publication("simpsons", 200, None, 64, "F1 above 0.8 for 17 of 18 characters"),
    ),
    "fer2013-cnn": Entry(
        ".networks.references:fer2013",
        "Article on FER2013: five stages of convolutions, 5.8 million parameters.",
        recipe=".recipes.references:fer2013",
        publication=Publication("fer2013", 30, 5, 48, "accuracy 0.6266", {"accuracy": 0.6266}),
    ),
    "voc2012-resnet50": Entry(
        ".networks.references:voc2012",
        "Article on VOC2012: ResNet50, frozen, under one dense layer.",
        options=_WEIGHTS,
        recipe=".recipes.references:voc2012",
        publication=Publication("voc2012", 5, None, 128, "weighted F1 0.28 after one epoch", {"weighted_f1": 0.28}),
    ),
}


def reference_for(dataset: str) -> str | None:
    """The name of the published space that a data set is compared with, if there is one."""
    for name, entry in SPACES.items():
        if entry.publication is not None and entry.publication.dataset == dataset:
            return name
    return None


def reference_network(adapter: str, task: Task) -> str | None:
    """The published space that is trained beside a search: the data set's own; for any two folders of images, the
    form that the article on emotion in images had its photographs in, that article's, whose scores are of others."""
    return reference_for(adapter) or ("emotion-cnn" if adapter in ("folders", "binary") and task == "binary" else None)


def published_scores(dataset: str) -> dict[str, float]:
    """What was published for a data set (the adapter's name), by metric; empty where nothing was, or no number."""
    name = reference_for(dataset)
    publication = SPACES[name].publication if name else None
    return dict(publication.scores) if publication else {}


def published_by(scores: Mapping[str, float]) -> str:
    """Whose published scores these are, in words; empty when nobody's."""
    for entry in SPACES.values():
        if scores and entry.publication is not None and entry.publication.scores == scores:
            return f"{entry.summary.rstrip('.')}: {entry.publication.result}"
    return ""


def check_name(name: str) -> None:
    """Raises UnknownNameError for a name that is not in `SPACES`, SettingError when it is no `package.module:Name`
    either."""
    if ":" not in name:
        if name not in SPACES:
            raise UnknownNameError("space", name, SPACES)
    elif not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name):
        raise SettingError(f"--space must be a name of apertune spaces list or package.module:Name, but got '{name}'")


def load(name: str, spec: DataSpec, *, recipe: str | None = None, options: Mapping[str, str] | None = None) -> Space:
    """A space bound to a data set, by its name here or as `package.module:Name`.

    recipe: "standard" trains a foreign network by our recipe. options: such as `weights` for `pretrained`.
    Raises UnknownNameError for a name, SettingError for a recipe or an option that would have no effect,
    SpaceError when the space does not fit the data.
    """
    options = options or {}
    check_name(name)
    if ":" in name:
        from .foreign.loading import load_foreign

        return load_foreign(name, spec, recipe=recipe, options=options)
    entry = SPACES[name]
    if recipe is not None and (recipe != "standard" or entry.publication):
        raise SettingError(
            f"--recipe takes 'standard', for spaces of your own; '{name}' has its recipe, not '{recipe}'"
        )
    for option in options:
        if option not in entry.options:
            known = ", ".join(entry.options) or "none"
            raise SettingError(f"space '{name}' has no option '{option}'; it has: {known}")
    from .composed.hypermodel import ComposedSpace

    space: Space = ComposedSpace(name, target(entry.network)(**options), target(entry.recipe)(), spec)
    return space


def target(path: str) -> Any:
    """What `.module:attribute` of this package names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module, __package__), attribute)
