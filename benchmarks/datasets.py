"""Measures decoding, opening and auditing of data sets against plain Pillow and pandas.

    python benchmarks/datasets.py                            generated photographs, and generated rows like FER2013's
    python benchmarks/datasets.py --fer2013 fer2013.csv      the real table
    python benchmarks/datasets.py --photos FOLDER            photographs of your own, one folder per class

Takes some minutes. Prints one line per measurement: its name, Apertune's time, the other's time, and the speed-up. The
two are measured in turn. Times are the minimum of the rounds, since other work on the machine only ever slows them
down; the speed-up is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

ROUNDS = 5
PHOTOS = 400
# Decodings of each photograph, which make a data set of the size of PASCAL's.
REPEATS = 10
FACES = 28_709


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer2013", type=Path)
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APERTUNE_CACHE"] = str(Path(folder) / "cache")
        photos = arguments.photos or make_photos(Path(folder) / "photos")
        measure_decoding(photos, Path(folder))
        faces = arguments.fer2013 or make_faces(Path(folder) / "fer2013.csv")
        measure_opening(faces)
        measure_audit(faces)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory of this process, pandas' table included: {peak:.0f} MB")


def measure_decoding(photos: Path, folder: Path) -> None:
    """Compares decoding of files to 128x128 RGB with a loop over Pillow: decoding alone, then a whole first load."""
    from apertune.datasets import load
    from apertune.datasets.cache.decoding import PixelFormat
    from apertune.datasets.cache.parallel_decoding import decode_files

    once = sorted(path for path in photos.rglob("*") if path.is_file())
    files = once * REPEATS

    def ours() -> None:
        shutil.rmtree(os.environ["APERTUNE_CACHE"], ignore_errors=True)
        load("folders", photos)

    def decode() -> None:
        images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (len(files), 128, 128, 3))
        sizes = np.empty((len(files), 2), np.int32)
        decode_files(files, PixelFormat(128, 3, "stretch"), images, sizes, lambda done: None)

    def plain(paths: list[Path]) -> None:
        for path in paths:
            with Image.open(path) as image:
                np.asarray(image.convert("RGB").resize((128, 128), Image.Resampling.BILINEAR))

    load("digits")
    report(f"decode {len(files)} photographs", rounds_of(decode, lambda: plain(files)))
    report(f"first load of {len(once)} photographs, cache and splits included", rounds_of(ours, lambda: plain(once)))


def measure_opening(faces: Path) -> None:
    """Compares the first load of FER2013 with reading and parsing by pandas, the second with reading and splitting."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    from apertune.datasets import load

    def first() -> None:
        shutil.rmtree(os.environ["APERTUNE_CACHE"], ignore_errors=True)
        load("fer2013", faces)

    def read() -> pd.DataFrame:
        return pd.read_csv(faces)

    def parse() -> None:
        np.stack([np.array(text.split(), np.uint8) for text in read()["pixels"]])

    def split() -> None:
        table = read()
        train_test_split(table, test_size=0.3, stratify=table["emotion"], random_state=0)

    report("first load of FER2013 | pandas.read_csv alone", rounds_of(first, read))
    report("first load of FER2013 | read_csv and parsing the pixels", rounds_of(first, parse, rounds=1))
    report("second load of FER2013 | read_csv and splitting", rounds_of(lambda: load("fer2013", faces), split))


def measure_audit(faces: Path) -> None:
    """Measures the whole audit of FER2013, without and with the search for wrong labels."""
    from apertune.datasets import LoadSettings, load
    from apertune.datasets.audit.auditing import audit

    dataset = load("fer2013", faces, LoadSettings(skip_bad=True))
    for labels in (False, True):
        (dataset.folder / "duplicates.npz").unlink(missing_ok=True)
        started = time.perf_counter()
        found = audit(dataset, labels=labels)
        seconds = time.perf_counter() - started
        what = "audit with wrong labels" if labels else "audit"
        print(f"{what} of {len(dataset.images)} faces: {seconds:.1f} s, {len(found)} findings")


def rounds_of(
    ours: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS
) -> list[tuple[float, float]]:
    """Returns the seconds of both, measured in turn."""
    return [(seconds_of(ours), seconds_of(other)) for _ in range(rounds)]


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(what: str, rounds: list[tuple[float, float]]) -> None:
    ours, other = (min(times) for times in zip(*rounds, strict=True))
    ratios = sorted(theirs / mine for mine, theirs in rounds)
    middle = statistics.median(ratios)
    print(f"{what}: {ours:.3f} s, the other {other:.3f} s, {middle:.2f} times ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def make_photos(folder: Path) -> Path:
    """Writes JPEG files of 500x375 pixels with structure at all scales, as PASCAL's photographs have."""
    random = np.random.default_rng(0)
    for number in range(PHOTOS):
        layers = [Image.fromarray(random.integers(0, 256, (375 // s, 500 // s, 3), np.uint8)) for s in (4, 32)]
        fine, coarse = (layer.resize((500, 375), Image.Resampling.BICUBIC) for layer in layers)
        path = folder / ("cat", "dog")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.blend(fine, coarse, 0.7).save(path, quality=90)
    return folder


def make_faces(path: Path) -> Path:
    """Writes rows like FER2013's."""
    random = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("emotion,pixels,Usage\n")
        for row in range(FACES):
            small = Image.fromarray(random.integers(0, 256, (8, 8), np.uint8))
            pixels = " ".join(map(str, np.asarray(small.resize((48, 48))).ravel()))
            usage = ("Training", "PublicTest", "PrivateTest")[max(0, row % 10 - 7)]
            file.write(f"{row % 7},{pixels},{usage}\n")
    return path


if __name__ == "__main__":
    main()
