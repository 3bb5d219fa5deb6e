"""The table of the HyperModels in `published`, with what each must lead to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from apertune.datasets import from_arrays
from apertune.datasets.base import ImageDataset

ROWS = 120


@dataclass(frozen=True)
class Published:
    """One HyperModel, and what becomes of it."""

    name: str
    """Module and name, as `--space` takes them."""
    data: str = "multiclass"
    """The data set to search on, as `dataset` makes it."""
    refused: str = ""
    """A part of the line that refuses it before the first trial; empty where it is searched."""
    own_fit: bool = False
    """It has hyperparameters in its `fit`."""
    needs_space: bool = False
    """Its saved network has classes of its module."""


_PLAIN = [
    "first_function",
    "many_kinds",
    "called_apart",
    "several_architectures",
    "conditional_scopes",
    "parent_names",
    "scoped_names",
    "gets_by_name",
    "all_samplings",
    "default_off_grid",
    "behind_a_float",
    "odd_names",
    "Declared",
    "loss_function_on_logits",
    "loss_class_on_logits",
    "partial_loss_on_logits",
    "logits_by_addition",
    "regression",
    "own_metrics",
    "own_train_step",
    "divided",
    "preprocessed",
    "means_subtracted",
    "normalized_inside",
    "augmentation_inside",
]
_FURTHER = [
    "architectures_in_a_table",
    "loop_from_zero",
    "loops_nested",
    "behind_numbers",
    "rate_per_optimizer",
    "tuned_optimizer",
    "residual_blocks",
    "nested",
    "Augmented",
    "uncompiled_logits",
]
_OWN_FIT = ("TunedFit", "TunedEpochs", "TunedPreprocessing", "OwnLoop", "ReturnsMetrics", "TwoPhases")
_OWN_CLASSES = ("registered_layer", "unregistered_layer", "subclassed")
SEARCHED = [
    *(Published(f"published.shapes:{name}") for name in _PLAIN),
    *(Published(f"published.further_shapes:{name}") for name in _FURTHER),
    Published("published.further_shapes:ClassWeighted", own_fit=True),
    *(Published(f"published.shapes:{name}", own_fit=True) for name in _OWN_FIT),
    *(Published(f"published.shapes:{name}", needs_space=True) for name in _OWN_CLASSES),
    Published("published.own_policy:build"),
    Published("published.shapes:TwoClasses", "binary"),
    Published("published.shapes:one_sigmoid", "binary"),
    Published("published.shapes:one_logit", "binary"),
    Published("published.shapes:two_labels_as_logits", "multilabel"),
]
LARGE = [
    Published("published.shapes:application", "colour"),
    Published("keras_tuner.applications:HyperXception", "colour"),
    Published("keras_tuner.applications:HyperResNet", "colour"),
    Published("keras_tuner.applications:HyperEfficientNet", "colour"),
]
REFUSED = [
    Published("published.shapes:softmax_of_one", "binary", refused="the softmax of a single number is always 1"),
    Published("published.shapes:two_inputs", refused="must take one image and give one answer, but has 2 inputs"),
    Published("published.shapes:two_outputs", refused="must take one image and give one answer, but has 2 outputs"),
    Published("published.shapes:wrong_width", refused=r"must yield \(images, 10\) .* but yields \(None, 7\)"),
    Published("published.shapes:wrong_images", refused=r"takes \(None, 28, 28, 1\), but the data set's images are"),
    Published("published.shapes:NoBuild", refused=r"has no method build\(self, hp\)"),
    Published("published.shapes:NeedsArguments", refused="--space-option width=VALUE --space-option depth=VALUE"),
    Published("published.shapes:undeclared", refused=r"calls hp.get\('units'\), but nothing declares"),
    Published("published.further_shapes:dependent_range", refused="the range of 'second' depends on other values"),
    Published("published.shapes:objective", refused=r"is an objective for Optuna .* hp.Int\(name, low, high\)"),
    Published(
        "published.shapes:lambda_layer",
        refused="of the kind Lambda.*write x / 255 on the tensor itself, or a layer class",
    ),
    Published("published.shapes:asks_in_call", refused="cannot be saved|cannot be loaded"),
    Published("published.shapes:unsaveable", refused="get_config"),
    Published("published.searches_at_import:build", refused=r"calls BaseTuner.search when it is imported"),
    Published("published.optuna_at_import:objective", refused=r"calls Study.optimize when it is imported"),
    Published("published.parses_arguments:build", refused=r"ends the program when it is imported \(status 2\)"),
]


def dataset(data: str) -> ImageDataset:
    """Returns a small data set: bright and dark halves that a network can learn at once."""
    random = np.random.default_rng(0)
    shape = (32, 32, 3) if data == "colour" else (8, 8, 1)
    classes = {"binary": 2, "multilabel": 2}.get(data, 10)
    labels = np.arange(ROWS) % classes
    images = random.integers(0, 60, (ROWS, *shape)) + (labels * (180 // classes)).reshape(-1, 1, 1, 1)
    names = tuple("abcdefghij"[:classes])
    targets: Any = labels.astype(np.int32)
    if data == "multilabel":
        targets = random.integers(0, 2, (ROWS, 2)).astype(np.uint8)
    return from_arrays("published", images.astype(np.uint8), targets, names)
