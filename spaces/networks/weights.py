"""The files of ImageNet's weights: what they are called, where they come from, and whether they can be had.

Searches look before they make a study, so nothing here imports Keras.
"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import SettingError, SpaceError, UnknownNameError

_SOURCE = "https://storage.googleapis.com/tensorflow/keras-applications"
# As `keras.applications` calls them, without their last layer; a test compares.
WEIGHT_FILES: Mapping[str, str] = {
    "mobilenet_v3_small": "mobilenet_v3/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5",
    "mobilenet_v3_large": "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
    "efficientnet_v2_b0": "efficientnet_v2/efficientnetv2-b0_notop.h5",
    "resnet50": "resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "convnext_tiny": "convnext/convnext_tiny_notop.h5",
}
PATIENCE_S = 5.0


def weight_file(backbone: str) -> str:
    """Returns the name of the file of a backbone's weights."""
    return WEIGHT_FILES[backbone].rpartition("/")[2]


def weight_address(backbone: str) -> str:
    """Returns the address that the file is published at."""
    return f"{_SOURCE}/{WEIGHT_FILES[backbone]}"


def keras_folder() -> Path:
    """Returns the folder in which Keras keeps the weights that it has downloaded."""
    return Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "models"


def check_weights(weights: str, backbones: Sequence[str], *, one_file: bool) -> None:
    """Looks for the weights of backbones before anything is made of them.

    Args:
        weights: `imagenet`, `none`, a file, or a folder of files that are called as published.
        backbones: The backbones that may be built.
        one_file: True where a file of weights may be given: there is one backbone.

    Raises:
        UnknownNameError: There is no such backbone.
        SettingError: A file is given for several backbones.
        SpaceError: Weights are not there and cannot be downloaded; `details` lists them all.
    """
    for name in backbones:
        if name not in WEIGHT_FILES:
            raise UnknownNameError("backbone", name, WEIGHT_FILES)
    if weights == "none":
        return
    folder = keras_folder() if weights == "imagenet" else Path(weights)
    if weights != "imagenet" and folder.is_file():
        if not one_file:
            raise several_backbones(weights)
        return
    if weights != "imagenet" and not folder.is_dir():
        raise SpaceError(f"the weights must be imagenet, none, a file or a folder, but there is no {weights}")
    missing = [name for name in backbones if not (folder / weight_file(name)).is_file()]
    if not missing or (weights == "imagenet" and _is_reachable(weight_address(missing[0]))):
        return
    raise missing_weights(missing, None if weights == "imagenet" else folder)


def several_backbones(weights: str) -> SettingError:
    """Returns the error about a file of weights that is given for several backbones."""
    return SettingError(
        f"the weights {weights} fit one backbone only; give the option backbone, too, or a folder with the files of all"
    )


def missing_weights(backbones: Sequence[str], folder: Path | None) -> SpaceError:
    """Returns the error about weights that cannot be had, which lists each file with its address.

    Args:
        backbones: The backbones that lack them.
        folder: The folder that the user gave; None where Keras would download them.
    """
    one, first = len(backbones) == 1, backbones[0]
    named = first if one else f"{len(backbones)} backbones"
    files = f"{weight_file(first)} from {weight_address(first)}" if one else "the files below"
    if folder is None:
        gone = "are not on this machine and cannot be downloaded"
        way = f"put {files} into a folder and give --space-option weights=FOLDER, or into {keras_folder()}"
    else:
        gone = f"are not in {folder}"
        way = f"put {files} into it, or name another backbone with --space-option backbone=NAME"
    width = max(map(len, backbones))
    return SpaceError(
        f"the ImageNet weights of {named} {gone}; {way}; --space-option weights=none starts from random weights",
        details=[] if one else [f"{name:<{width}}  {weight_address(name)}" for name in backbones],
    )


def _is_reachable(address: str) -> bool:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, method="HEAD"), timeout=PATIENCE_S
        ):  # a constant, https
            return True
    except (OSError, ValueError, urllib.error.URLError):
        return False
