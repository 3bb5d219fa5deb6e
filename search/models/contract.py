"""A model's contract: the pixels it takes, its classes, and how its numbers become names."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from ...datasets.base import Resize as Resize
from ...datasets.base import Task, TrainingView
from ...errors import ModelError
from ...versions import installed_version

CONTRACT_FILE = "model.json"
_LARGEST_CONTRACT = 4 * 2**20  # bytes; class names and thresholds of 10,000 classes take about 0.5 MB


@dataclass(frozen=True)
class ModelContract:
    """A model's input and answers. The network takes uint8 (n, height, width, channels), 0 to 255."""

    classes: tuple[str, ...]
    """Names, in the order of the network's outputs; a binary network has one output, for `classes[1]`."""
    task: Task
    """Number of classes that an image carries: `binary` and `multiclass` one, `multilabel` any."""
    image_shape: tuple[int, int, int]
    """(height, width, channels) in pixels, with 1 (grey) or 3 (RGB) channels."""
    dataset: str
    """Name of the data set that the network was trained on."""
    fingerprint: str
    """Its fingerprint, a SHA-256."""
    resize: Resize = "stretch"
    """Way to bring an image of another size to `image_shape`."""
    thresholds: tuple[float, ...] = ()
    """Probability from which a class counts: one per class for multi-label tasks, one for `classes[1]` for binary ones.

    Empty for 0.5.
    """
    minimum_probability: float = 0.0
    """Probability below which the answer is "unknown"."""
    temperature: float = 1.0
    """Temperature that the outputs were calibrated with, which is already inside the network."""
    licence: str | None = None
    """The data set's licence, if it is known."""
    adapter: str = ""
    """Name of the adapter that read the data set; empty for arrays in memory."""
    apertune_version: str | None = field(default_factory=lambda: installed_version("apertune"))
    """The version of apertune that wrote the contract."""
    keras_version: str | None = field(default_factory=lambda: installed_version("keras"))
    """The version of Keras that it was written with."""

    @classmethod
    def of(cls, view: TrainingView) -> ModelContract:
        """Returns the contract of a network that was trained on a view, without thresholds or calibration."""
        return cls(
            view.classes,
            view.task,
            view.image_shape,
            view.name,
            view.fingerprint,
            resize=view.resize,
            licence=view.licence,
            adapter=view.adapter,
        )

    @property
    def outputs(self) -> int:
        """Returns how many numbers the network yields for one image."""
        return 1 if self.task == "binary" else len(self.classes)

    def class_thresholds(self) -> tuple[float, ...]:
        """Returns the threshold of each output, 0.5 where none was set."""
        return self.thresholds or (0.5,) * self.outputs

    def write(self, folder: Path) -> None:
        """Writes the contract into a model's folder."""
        (folder / CONTRACT_FILE).write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False), encoding="utf-8")


def read_contract(folder: Path) -> ModelContract:
    """Reads the contract in a model's folder, and checks it, since it may come from anywhere.

    Raises:
        ModelError: The contract is missing, damaged or wrong.
    """
    path = folder / CONTRACT_FILE
    if not path.is_file():
        raise ModelError(f"{folder} holds no {CONTRACT_FILE}: give a folder that apertune saved or exported")
    if path.stat().st_size > _LARGEST_CONTRACT:
        raise ModelError(f"{path} must be at most {_LARGEST_CONTRACT} bytes, not {path.stat().st_size}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not a JSON document: {error}") from None
    return _checked(document, path)


def _checked(document: Any, path: Path) -> ModelContract:
    if not isinstance(document, dict):
        raise ModelError(f"{path} must hold a JSON object, not {type(document).__name__}")
    required = ("classes", "task", "image_shape", "dataset", "fingerprint")
    if missing := [name for name in required if name not in document]:
        raise ModelError(f"{path} lacks {', '.join(missing)}")
    known = {entry.name for entry in fields(ModelContract)}
    settings = {name: _frozen(value) for name, value in document.items() if name in known}
    for name, (rule, is_right) in _RULES.items():
        if name in settings and not is_right(settings[name]):
            raise ModelError(f"{path}: '{name}' must be {rule}, but is {str(settings[name])[:80]}")
    contract = ModelContract(**settings)
    if contract.task == "binary" and len(contract.classes) != 2:
        raise ModelError(f"{path}: a binary task has 2 classes, not {len(contract.classes)}")
    if len(contract.thresholds) not in (0, contract.outputs):
        raise ModelError(f"{path}: {contract.outputs} thresholds are needed, but {len(contract.thresholds)} are given")
    return contract


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_number(value: Any, low: float, high: float) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high
    )


def _is_shape(value: Any) -> bool:
    if not isinstance(value, tuple) or len(value) != 3 or not all(type(size) is int for size in value):
        return False
    return all(1 <= size <= 8192 for size in value[:2]) and value[2] in (1, 3)


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "classes": (
        "a list of two or more different names",
        lambda v: (
            isinstance(v, tuple) and all(isinstance(name, str) and name for name in v) and 2 <= len(v) == len(set(v))
        ),
    ),
    "task": ("one of " + ", ".join(get_args(Task)), lambda v: v in get_args(Task)),
    "image_shape": ("[height, width, 1 or 3 channels], at most 8192 pixels per side", _is_shape),
    "resize": ("one of " + ", ".join(get_args(Resize)), lambda v: v in get_args(Resize)),
    "thresholds": (
        "a list of numbers from 0 to 1",
        lambda v: isinstance(v, tuple) and all(_is_number(entry, 0, 1) for entry in v),
    ),
    "minimum_probability": ("a number from 0 to 1", lambda v: _is_number(v, 0, 1)),
    "temperature": ("a number above 0, at most 1000", lambda v: _is_number(v, 1e-6, 1000)),
    "adapter": ("a name", lambda v: isinstance(v, str)),
    "dataset": ("a name", lambda v: isinstance(v, str)),
    "fingerprint": ("a SHA-256 in hexadecimal", lambda v: isinstance(v, str)),
}
