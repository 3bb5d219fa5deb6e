"""Data sets in one line each: settings are arguments, and names have defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import datasets
from ..cli.dataset_options import progress_bar
from ..datasets.adapters.registry import find_adapter
from ..datasets.names import check_name
from ..datasets.settings import LoadSettings
from ..settings_fields import declarations
from .arguments import refuse_unknown, settings_from

if TYPE_CHECKING:
    import pandas as pd

    from ..datasets.base import ImageDataset
    from ..datasets.memory.arrays import Pair
    from ..datasets.memory.pixels import Range


def load(
    format: str,  # noqa: A002  # the word that a user of the field would guess
    data: str | Path | None = None,
    *,
    name: str | None = None,
    **settings: Any,
) -> ImageDataset:
    """Opens a data set from files, a known set, or an address.

    The images are decoded once, and opened from the cache in milliseconds from then on.

    Args:
        format: The format, such as "folders", "table" or "coco", or the name of a known set such as "fer2013";
            `apertune.formats()` lists them.
        data: A folder, a file, an archive or an address; None for a set that is found or fetched without one.
        name: The name that results are kept under; that of the format unless given.
        settings: Fields of `apertune.datasets.LoadSettings`, such as `image_size`, `split`, `group` and `skip_bad`, and
            options of the format, such as `positive` and `classes` of "folders".

    Returns:
        The data set, which shows itself as a page in a notebook.

    Raises:
        SettingError: An argument is unknown or wrong.
        DatasetError: The data cannot be used as they are.

    Example:
        >>> data = apertune.load("digits")
        >>> data
        <ImageDataset digits: multiclass, 10 classes, images of 8x8x1; 1,258 train, 270 validation, 269 test>
    """
    known = find_adapter(format).options
    # Settings of every data set come first: of some formats an option has the same name and meaning.
    of_format = [key for key in settings if key not in declarations(LoadSettings) and _option(key, known) in known]
    options = {_option(key, known): _text(settings.pop(key)) for key in of_format}
    if "options" in settings or options:
        settings["options"] = {**dict(settings.get("options", {})), **options}
    made = _load_settings(settings, known)
    if name is not None:
        check_name("name", name)
    with progress_bar() as progress:
        loaded = datasets.load(format, data, made, progress=progress)
    return loaded if name is None else replace(loaded, name=name)


def from_arrays(
    images: Any,
    labels: Any,
    classes: Sequence[str] | None = None,
    *,
    name: str = "arrays",
    validation: Pair | None = None,
    test: Pair | None = None,
    task: str | None = None,
    label_separator: str | None = None,
    pixel_range: Range | None = None,
    groups: Sequence[Any] | None = None,
    **settings: Any,
) -> ImageDataset:
    """Makes a data set of arrays in memory.

    Args:
        images: uint8 (n, height, width) or (n, height, width, 1 or 3), or a list of images; other types need
            `pixel_range`.
        labels: One label per image: numbers, names, one-hot or multi-hot rows, or lists of names.
        classes: Class names in label order; taken from the labels, sorted, unless given.
        name: The name that results are kept under.
        validation: Images and labels of the validation split; drawn from `images` unless given.
        test: Images and labels of the test split; drawn unless given.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        label_separator: The mark between several labels in one text.
        pixel_range: The lowest and the highest value that a pixel may have, such as (0, 1).
        groups: One name or number per image; images of one group stay in one split and fold.
        settings: Fields of `apertune.datasets.LoadSettings`, such as `split`, `seed` and `image_size`.

    Returns:
        The data set, which shows itself as a page in a notebook.

    Raises:
        SettingError: An argument is unknown or wrong.
        DatasetError: Shapes, types, ranges or labels do not fit.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
        >>> apertune.from_arrays(images, ["cat", "dog"] * 20, split=(0.5, 0.25, 0.25))
        <ImageDataset arrays: binary, 2 classes, images of 8x8x1; 20 train, 10 validation, 10 test>
    """
    return datasets.from_arrays(
        name,
        images,
        labels,
        classes,
        validation=validation,
        test=test,
        task=task,
        label_separator=label_separator,
        pixel_range=pixel_range,
        groups=groups,
        settings=_load_settings(settings),
    )


def from_dataframe(
    frame: pd.DataFrame,
    *,
    name: str = "table",
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    split_column: str | None = None,
    classes: Sequence[str] | None = None,
    label_separator: str | None = None,
    task: str | None = None,
    **settings: Any,
) -> ImageDataset:
    """Makes a data set of the image files that a DataFrame lists, one per row.

    Args:
        frame: One row per image: its path and its label, and its split where there is a column for it.
        name: The name that results are kept under.
        validation: The validation split as a DataFrame of its own.
        test: The test split as a DataFrame of its own.
        root: The folder that relative paths start from; the working directory unless given.
        path_column: The column of paths, where it has none of the usual names.
        label_column: The column of labels, or several columns of 0 and 1.
        split_column: The column that says "train", "validation" or "test".
        classes: Class names in label order.
        label_separator: The mark between several labels in one text.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        settings: Fields of `apertune.datasets.LoadSettings`, such as `image_size` and `split`.

    Returns:
        The data set, which shows itself as a page in a notebook.

    Raises:
        SettingError: An argument is unknown or wrong.
        DatasetError: Columns are missing, or paths or labels cannot be used as they are.

    Example:
        >>> import pandas as pd
        >>> apertune.from_dataframe(pd.DataFrame({"name": ["a.png"], "label": ["cat"]}))
        Traceback (most recent call last):
        ...
        apertune.errors.DatasetError: table: ...
    """
    with progress_bar() as progress:
        return datasets.from_dataframe(
            name,
            frame,
            validation=validation,
            test=test,
            root=root,
            path_column=path_column,
            label_column=label_column,
            split_column=split_column,
            classes=classes,
            label_separator=label_separator,
            task=task,
            settings=_load_settings(settings),
            progress=progress,
        )


def from_tf_dataset(
    dataset: Any,
    classes: Sequence[str] | None = None,
    *,
    name: str = "tfdata",
    validation: Any = None,
    test: Any = None,
    task: str | None = None,
    pixel_range: Range | None = None,
    **settings: Any,
) -> ImageDataset:
    """Makes a data set of a `tf.data.Dataset` of images and labels, batched or not.

    Args:
        dataset: The training images with their labels.
        classes: Class names in label order.
        name: The name that results are kept under.
        validation: The validation split as a data set of its own.
        test: The test split as a data set of its own.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        pixel_range: The lowest and the highest value that a pixel may have, for other types than uint8.
        settings: Fields of `apertune.datasets.LoadSettings`.

    Returns:
        The data set, which shows itself as a page in a notebook.

    Raises:
        SettingError: An argument is unknown or wrong, or `dataset` is no `tf.data.Dataset`.
        DatasetError: Its elements cannot be used as they are.

    Example:
        >>> apertune.from_tf_dataset([1, 2])
        Traceback (most recent call last):
        ...
        apertune.errors.SettingError: dataset must be a tf.data.Dataset, but got list
    """
    with progress_bar() as progress:
        return datasets.from_tf_dataset(
            name,
            dataset,
            classes,
            validation=validation,
            test=test,
            task=task,
            pixel_range=pixel_range,
            settings=_load_settings(settings),
            progress=progress,
        )


def from_huggingface(
    dataset: Any,
    *,
    name: str = "huggingface",
    image_column: str | None = None,
    label_column: str | None = None,
    classes: Sequence[str] | None = None,
    label_separator: str | None = None,
    task: str | None = None,
    pixel_range: Range | None = None,
    **settings: Any,
) -> ImageDataset:
    """Makes a data set of one of Hugging Face's `datasets`, or of a dictionary of its splits.

    Args:
        dataset: A `Dataset` or a `DatasetDict`.
        name: The name that results are kept under.
        image_column: The column of images, where there are several.
        label_column: The column of labels, where there are several.
        classes: Class names in label order.
        label_separator: The mark between several labels in one text.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        pixel_range: The lowest and the highest value that a pixel may have, for other types than uint8.
        settings: Fields of `apertune.datasets.LoadSettings`.

    Returns:
        The data set, which shows itself as a page in a notebook.

    Raises:
        SettingError: An argument is unknown or wrong.
        DatasetError: Columns are missing, or images or labels cannot be used as they are.

    Example:
        >>> from datasets import load_dataset  # doctest: +SKIP
        >>> data = apertune.from_huggingface(load_dataset("beans"), name="beans")  # doctest: +SKIP
    """
    with progress_bar() as progress:
        return datasets.from_huggingface(
            name,
            dataset,
            image_column=image_column,
            label_column=label_column,
            classes=classes,
            label_separator=label_separator,
            task=task,
            pixel_range=pixel_range,
            settings=_load_settings(settings),
            progress=progress,
        )


def formats() -> pd.DataFrame:
    """Lists the formats and known sets that `apertune.load` reads.

    Returns:
        One row per format: what it reads, its usual size, missing where images keep their own, and its options.

    Example:
        >>> int(apertune.formats().loc["digits", "image_size"])
        8
    """
    import pandas as pd

    from ..datasets.adapters.registry import all_adapters

    rows = {
        name: {
            "reads": entry.description,
            "image_size": entry.image_size,
            "channels": entry.channels,
            "needs_data": entry.needs_data,
            "options": ", ".join(entry.options),
        }
        for name, entry in all_adapters().items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    typed: pd.DataFrame = table.astype({"image_size": "Int64", "channels": "Int64"})
    return typed


def _load_settings(given: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> LoadSettings:
    """Makes the settings of arguments.

    Args:
        given: The arguments by name.
        options: The format's own options, for the list of what is known.

    Raises:
        UnknownNameError: There is no such argument.
    """
    others = [option.replace("-", "_") for option in options or ()]
    refuse_unknown(given, LoadSettings, others=others)
    return settings_from(LoadSettings, given)


def _option(name: str, known: Mapping[str, Any]) -> str:
    """Returns an adapter's option as it calls it: a keyword cannot hold a dash."""
    dashed = name.replace("_", "-")
    return dashed if dashed in known else name


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
