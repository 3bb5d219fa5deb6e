"""Measures how many of the labels changed on purpose, and of the copies made on purpose, the audit finds.

    python benchmarks/findings.py simpsons=simpsons_dataset fer2013=fer2013.csv folders=photographs

Takes minutes. For each data set, 5 % of the labels are changed at random. Recall is the share of these that is found,
precision the share of findings that had been changed (the set's own wrong labels count against it). Then, for each
kind of change to a picture, prints the share of changed copies that splits keep with their originals, the share that
the audit finds, and the pairs of originals that count as the same; some of them are. --pictures FOLDER draws a sheet
of these pairs to judge by eye.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measurements import Column, Table, arguments_of, tell
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

IMAGES = 2000
NOISE = 0.05
PAIRS_SHOWN = 24
Change = Callable[[Image.Image], Image.Image]
LABELS = Table(
    "findings-labels",
    Column("set", "set"),
    Column("labels", "labels", "{:,}"),
    Column("changed", "changed", "{:,}"),
    Column("found", "found", "{:,}"),
    Column("recall", "recall", "{:.2f}"),
    Column("precision", "precision", "{:.2f}"),
    Column("seconds", "time", "{:.0f} s"),
)
PICTURES, NEAR = "different pictures", "of them near another"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=PATH")
    parser.add_argument("--pictures", type=Path)
    arguments = arguments_of(parser)
    from apertune.datasets import LoadSettings, load

    copies: dict[str, dict[str, Any]] = {what: {} for what in (PICTURES, NEAR, *CHANGES)}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APERTUNE_CACHE"] = folder
        for pair in arguments.sets:
            name, _, path = pair.partition("=")
            dataset = load(name, path, LoadSettings(skip_bad=True))
            if dataset.task != "multilabel":
                measure_labels(name, dataset.images, dataset.labels)
            for what, figure in measure_copies(name, dataset.images, arguments.pictures).items():
                copies[what][name] = figure
    tell(LABELS, copies_table(copies))


def copies_table(copies: dict[str, dict[str, Any]]) -> Table:
    """Returns a column per data set: how many pictures, and of each change what splits and the audit found."""
    sets = dict.fromkeys(name for figures in copies.values() for name in figures)
    table = Table("findings-copies", Column("change", ""), *(Column(name, name, "{:.2f}") for name in sets))
    for what, figures in copies.items():
        counts = what in (PICTURES, NEAR)
        table.add(change=what, **{name: f"{figure:,}" if counts else figure for name, figure in figures.items()})
    return table


def measure_labels(name: str, images: NDArray[np.uint8], labels: NDArray[np.int32]) -> None:
    from apertune.datasets.audit.label_errors import suspicious_labels

    random = np.random.default_rng(1)
    classes = int(labels.max()) + 1
    changed = random.permutation(len(labels))[: int(NOISE * len(labels))]
    noisy = labels.copy()
    noisy[changed] = (noisy[changed] + random.integers(1, classes, len(changed))) % classes
    started = time.perf_counter()
    found = [row for row, _ in suspicious_labels(images, noisy, seed=0)]
    seconds = time.perf_counter() - started
    hits = len(set(found) & set(changed.tolist()))
    LABELS.add(
        set=name,
        labels=len(labels),
        changed=len(changed),
        found=len(found),
        recall=hits / len(changed),
        precision=hits / max(1, len(found)),
        seconds=seconds,
    )
    print(f"{name}: labels done in {seconds:.0f} s", flush=True)


def measure_copies(name: str, images: NDArray[np.uint8], pictures: Path | None) -> dict[str, Any]:
    """Returns the number of pictures, that of pictures near another, and both shares of each change."""
    from apertune.datasets.audit.altered_copies import find_altered_copies
    from apertune.datasets.splits.duplicates import find_duplicates

    chosen = np.sort(np.random.default_rng(0).permutation(len(images))[:IMAGES])
    # One of each exact picture, so that only near duplicates are found.
    originals = np.unique(images[chosen], axis=0)
    alone = find_duplicates(originals).near
    pairs = [(int(first), row) for row, first in enumerate(alone) if first != row]
    print(f"{name}: {len(originals)} different pictures, {len(pairs)} of them near another", flush=True)
    if pictures is not None and pairs:
        draw_pairs(originals, pairs, pictures / f"{name}.png")
    figures: dict[str, Any] = {PICTURES: len(originals), NEAR: len(pairs)}
    for what, change in CHANGES.items():
        copies = np.stack([changed_picture(picture, change) for picture in originals])
        both = np.concatenate([originals, copies])
        duplicates = find_duplicates(both)
        kept, found = (
            np.mean(groups[: len(originals)] == groups[len(originals) :])
            for groups in (duplicates.near, find_altered_copies(both, duplicates).groups)
        )
        figures[what] = [float(kept), float(found)]
        print(f"{name}: {what}: {kept:.3f} of the copies kept together, {found:.3f} found by the audit", flush=True)
    return figures


def changed_picture(picture: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    """Returns the picture changed at four times its size, since photographs are changed before they are resized."""
    height, width, channels = picture.shape
    image = Image.fromarray(picture if channels == 3 else picture[:, :, 0])
    large = change(image.resize((width * 4, height * 4), Image.Resampling.BICUBIC))
    return np.asarray(large.resize((width, height), Image.Resampling.BILINEAR)).reshape(picture.shape)


def recompressed(quality: int) -> Change:
    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return change


def cropped(share: float) -> Change:
    """Returns a change that cuts this share of the width or height off every edge."""
    return lambda image: image.crop(
        (
            round(image.width * share),
            round(image.height * share),
            round(image.width * (1 - share)),
            round(image.height * (1 - share)),
        )
    )


def smaller(factor: float) -> Change:
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


CHANGES: dict[str, Change] = {
    "JPEG quality 75": recompressed(75),
    "JPEG quality 30": recompressed(30),
    "half the size": smaller(1 / 8),
    "brightness +15 %": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "brightness -30 %": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "contrast +20 %": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "cropped by 1 % per side": cropped(0.01),
    "cropped by 3 % per side": cropped(0.03),
    "cropped by 6 % per side": cropped(0.06),
    "cropped by 12 % per side": cropped(0.12),
    "turned by 2 degrees": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by a quarter": lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


def draw_pairs(images: NDArray[np.uint8], pairs: list[tuple[int, int]], target: Path) -> None:
    """Draws a sheet of pairs, spread over all that were found, eight per row."""
    shown = [pairs[index] for index in np.linspace(0, len(pairs) - 1, min(PAIRS_SHOWN, len(pairs))).astype(int)]
    height, width = images.shape[1:3]
    sheet = Image.new("RGB", (8 * (2 * width + 8), -(-len(shown) // 8) * (height + 8)), "white")
    for place, pair in enumerate(shown):
        for side, row in enumerate(pair):
            picture = Image.fromarray(images[row].squeeze())
            sheet.paste(picture, ((place % 8) * (2 * width + 8) + side * width, (place // 8) * (height + 8)))
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)


if __name__ == "__main__":
    main()
