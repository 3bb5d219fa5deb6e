"""Grids of images with the answers given to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Images, Labels, Task
from ..acceptance import class_probabilities
from ..decisions import Probabilities, answers
from .canvas import RIGHT, TRAINING, WRONG, shortened

if TYPE_CHECKING:
    from PIL import Image, ImageFont

ACROSS, DOWN = 6, 4
TILE = 128
FRAME = 4
TEXT_HEIGHT = 36
GUTTER = 12
TITLE_HEIGHT = 28
MOST_NAMES = 3
GREY_BACKGROUND = 236


@dataclass(frozen=True)
class Example:
    """One picture of a grid."""

    row: int
    """Its row among the images."""
    text: str
    """Two lines to write under it."""
    right: bool | None
    """True if the answer is right, None if there is no answer."""


@dataclass(frozen=True)
class Mistake:
    """One wrong answer."""

    row: int
    """The image's row."""
    true: str
    """The true class."""
    predicted: str
    """The class that was answered."""
    probability: float
    """The probability that the wrong answer was given."""


def sample(task: Task, classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> list[Example]:
    """Returns rows drawn at random, right answers and wrong ones alike."""
    rows = np.random.default_rng(0).permutation(len(labels))[: ACROSS * DOWN]
    given = answers(labels, probabilities)
    examples = []
    for row in sorted(rows.tolist()):
        if task == "multilabel":
            said, true = _names(classes, given[row]), _names(classes, labels[row])
        else:
            sure = class_probabilities(probabilities[row : row + 1])[0, given[row]]
            said, true = f"{shortened(classes[given[row]], 16)} {sure:.0%}", shortened(classes[labels[row]], 18)
        right = bool(np.all(given[row] == labels[row]))
        examples.append(Example(row, f"{said}\ntrue: {true}", right))
    return examples


def confident_mistakes(
    task: Task, classes: Sequence[str], labels: Labels, probabilities: Probabilities, most: int
) -> list[Mistake]:
    """Returns the wrong answers that were given with the highest probability, the most confident first.

    A multilabel row can be wrong once per class: "dog" where there is none, "no dog" where there is one.
    """
    if task == "multilabel":
        return _confident_wrong_cells(classes, labels, probabilities, most)
    given = answers(labels, probabilities)
    columns = class_probabilities(probabilities)
    sure = columns[np.arange(len(labels)), given]
    wrong = np.flatnonzero(given != labels)
    rows = wrong[np.argsort(-sure[wrong], kind="stable")][:most]
    return [Mistake(int(row), classes[labels[row]], classes[given[row]], float(sure[row])) for row in rows]


def _confident_wrong_cells(
    classes: Sequence[str], labels: Labels, probabilities: Probabilities, most: int
) -> list[Mistake]:
    wrong = np.where(answers(labels, probabilities) != labels, np.abs(probabilities - labels), -1.0).ravel()
    cells = [int(cell) for cell in np.argsort(-wrong, kind="stable")[:most] if wrong[cell] >= 0]
    mistakes = []
    for row, number in (divmod(cell, len(classes)) for cell in cells):
        yes, no = classes[number], f"no {classes[number]}"
        true, said = (yes, no) if labels[row, number] else (no, yes)
        mistakes.append(Mistake(row, true, said, float(wrong[row * len(classes) + number])))
    return mistakes


def mistake_examples(mistakes: Sequence[Mistake]) -> list[Example]:
    return [
        Example(m.row, f"{shortened(m.predicted, 16)} {m.probability:.0%}\ntrue: {shortened(m.true, 18)}", right=False)
        for m in mistakes[: ACROSS * DOWN]
    ]


def grid(title: str, examples: Sequence[Example], images: Images) -> Image.Image:
    """Draws the pictures side by side, framed green or red, with two lines of text under each."""
    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    across, down = TILE + GUTTER, TILE + TEXT_HEIGHT
    rows = max(1, -(-len(examples) // ACROSS))
    board = Image.new("RGB", (ACROSS * across + GUTTER, rows * down + TITLE_HEIGHT), "white")
    pen = ImageDraw.Draw(board)
    path = findfont("DejaVu Sans")
    pen.text((GUTTER, 6), title, fill="black", font=ImageFont.truetype(path, 14))
    font = ImageFont.truetype(path, 13)
    for place, example in enumerate(examples):
        left, top = GUTTER + (place % ACROSS) * across, TITLE_HEIGHT + (place // ACROSS) * down
        color = {True: RIGHT, False: WRONG, None: TRAINING}[example.right]
        pen.rectangle((left, top, left + TILE - 1, top + TILE - 1), fill=color)
        board.paste(_tile(images[example.row]), (left + FRAME, top + FRAME))
        text = "\n".join(_fitted(line, font) for line in example.text.split("\n"))
        pen.multiline_text((left, top + TILE + 2), text, fill=color, font=font, spacing=1)
    return board


def _fitted(line: str, font: ImageFont.FreeTypeFont) -> str:
    """Returns the line, cut to the width of its picture."""
    if font.getlength(line) <= TILE + FRAME:
        return line
    while line and font.getlength(line + "…") > TILE + FRAME:
        line = line[:-1]
    return line + "…"


def _tile(pixels: NDArray[np.uint8]) -> Image.Image:
    """Returns the picture, whole and undistorted, on a grey square."""
    from PIL import Image

    side = TILE - 2 * FRAME
    height, width, channels = pixels.shape
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if channels < 3 else pixels[:, :, :3]))
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.BILINEAR
    square = Image.new("RGB", (side, side), (GREY_BACKGROUND,) * 3)
    square.paste(picture.convert("RGB").resize(size, method), ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def _names(classes: Sequence[str], row: Any) -> str:
    """Returns the classes of a multi-hot row, as many as fit."""
    names = [shortened(classes[number], 14) for number in np.flatnonzero(row).tolist()]
    more = f" +{len(names) - MOST_NAMES}" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "none") + more
