"""The page of a data set in a notebook: counts per class and split, notes, and a strip of examples for each class."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..wording import worded

_SPLITS = ("train", "validation", "test")
_CLASSES_SHOWN = 12
_EXAMPLES = 8
_SIDE = 48
_CELL = 'style="text-align:right;padding:2px 10px"'
_FIRST = 'style="text-align:left;padding:2px 10px"'


class Previewed(Protocol):
    """A data set as its page needs it; `ImageDataset` is one."""

    @property
    def name(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def labels(self) -> Any: ...
    @property
    def train(self) -> NDArray[np.int64]: ...
    @property
    def validation(self) -> NDArray[np.int64]: ...
    @property
    def test(self) -> NDArray[np.int64]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def fingerprint(self) -> str: ...


def preview(dataset: Previewed) -> str:
    """Returns an element of HTML that needs no other file; all text is escaped."""
    rows = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    height, width, channels = dataset.images.shape[1:]
    colour = "grey" if channels == 1 else "colour"
    total = sum(map(len, rows.values()))
    parts = [
        "<div>",
        f"<p><b>{html.escape(dataset.name)}</b>: {total:,} images of {width}&times;{height} pixels in {colour}, "
        f"{len(dataset.classes)} classes, {dataset.task}; fingerprint <code>{dataset.fingerprint[:12]}</code></p>",
    ]
    if dataset.notes:
        lines = "".join(f"<li>{html.escape(worded(note))}</li>" for note in dataset.notes)
        parts.append(f"<ul>{lines}</ul>")
    return "".join([*parts, _table(dataset, rows), "</div>"])


def _table(dataset: Previewed, rows: Mapping[str, NDArray[np.int64]]) -> str:
    heads = "".join(f"<th {_CELL}>{split}</th>" for split in _SPLITS)
    lines = [f"<table><thead><tr><th {_FIRST}>class</th>{heads}<th {_FIRST}>training images</th></tr></thead><tbody>"]
    for number, name in enumerate(dataset.classes[:_CLASSES_SHOWN]):
        counts = [int(_carries(dataset, rows[split], number).sum()) for split in _SPLITS]
        strip = image_strip(dataset, rows["train"][_carries(dataset, rows["train"], number)][:_EXAMPLES], name)
        lines.append(_line(name, counts, strip))
    if (left := len(dataset.classes) - _CLASSES_SHOWN) > 0:
        lines.append(_line(f"and {left} more", ["", "", ""], ""))
    lines.append(_line("all images", [len(rows[split]) for split in _SPLITS], ""))
    return "".join([*lines, "</tbody></table>"])


def _line(name: str, counts: Sequence[int | str], strip: str) -> str:
    shown = (count if isinstance(count, str) else f"{count:,}" for count in counts)
    cells = "".join(f"<td {_CELL}>{count}</td>" for count in shown)
    return f"<tr><td {_FIRST}>{html.escape(name)}</td>{cells}<td {_FIRST}>{strip}</td></tr>"


def _carries(dataset: Previewed, rows: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
    labels = np.asarray(dataset.labels[rows])
    carried: NDArray[np.bool_] = labels[:, number] == 1 if labels.ndim == 2 else labels == number
    return carried


def image_strip(dataset: Previewed, rows: NDArray[np.int64], name: str) -> str:
    """Returns the images of some rows side by side, as one `img` element; nothing without rows."""
    from PIL import Image

    if not len(rows):
        return ""
    height, width = dataset.images.shape[1:3]
    # Small images are enlarged by the browser, which keeps the notebook's file small.
    side = min(_SIDE, height)
    shown = (max(1, round(side * width / height)), side)
    strip = Image.new("RGB", (len(rows) * shown[0], side), "white")
    for place, row in enumerate(rows):
        pixels = dataset.images[row]
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert("RGB")
        strip.paste(picture.resize(shown), (place * shown[0], 0))
    file = io.BytesIO()
    strip.save(file, "PNG")
    source = base64.b64encode(file.getvalue()).decode("ascii")
    style = f"height:{_SIDE}px;max-width:none" + (";image-rendering:pixelated" if side < _SIDE else "")
    alt = html.escape(f"examples of {name}", quote=True)
    return f'<img alt="{alt}" style="{style}" src="data:image/png;base64,{source}">'
