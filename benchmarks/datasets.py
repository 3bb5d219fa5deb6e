"""Measures decoding, opening and auditing of data sets against plain Pillow and pandas.

    python benchmarks/datasets.py                            generated photographs, and generated rows like FER2013's
    python benchmarks/datasets.py --fer2013 fer2013.csv      the real table
    python benchmarks/datasets.py --photos FOLDER            photographs of your own, one folder per class
    python benchmarks/datasets.py --large                    large sets alone, each in a process of its own
    python benchmarks/datasets.py --large --alike 2000 --unlike 5000 --rows 10000 --files 1000    the same, quickly

Takes some minutes. Prints one line per measurement: its name, Apertune's time, the other's time, and the speed-up. The
two are measured in turn. Times are the minimum of the rounds, since other work on the machine only ever slows them
down; the speed-up is the median of the rounds' ratios. For large sets, prints the time for half the size and for the
whole, whose ratio is 2 where time grows as the size does, and the peak of the memory that the process alone holds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measurements import Column, Table, arguments_of, tell
from PIL import Image

if TYPE_CHECKING:
    from apertune.datasets import LoadSettings

ROUNDS = 5
PHOTOS = 400
# Decodings of each photograph, which make a data set of the size of PASCAL's.
REPEATS = 10
FACES = 28_709
MEASURED = Table(
    "datasets",
    Column("what", "measurement"),
    Column("own", "Apertune", "{:.3f} s"),
    Column("compared", "compared with"),
    Column("other", "its time", "{:.3f} s"),
    Column("ratio", "times as fast", "{:.2f}"),
    Column("range", "range", "{:.2f}"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer2013", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--alike", type=int, default=20_000)
    parser.add_argument("--unlike", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=200_000)
    arguments = arguments_of(parser)
    if arguments.large:
        table = Table(
            "datasets-large",
            Column("what", ""),
            Column("size", "items", "{:,}"),
            Column("seconds", "time", "{:.1f} s"),
            Column("ratio", "times that of half the items", "{:.2f}"),
            Column("memory", "most private memory", "{:.0f} MB"),
        )
        for what in (duplicates_alike, duplicates_unlike, table_rows, small_files):
            table.add(**measure_large(what, getattr(arguments, what.__name__.split("_")[1])))
        tell(table)
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APERTUNE_CACHE"] = str(Path(folder) / "cache")
        photos = arguments.photos or make_photos(Path(folder) / "photos")
        measure_decoding(photos, Path(folder))
        faces = arguments.fer2013 or make_faces(Path(folder) / "fer2013.csv")
        measure_opening(faces)
        measure_audit(faces)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process, pandas' table included: {peak:.0f} MB")
    tell(MEASURED)


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
    report(f"decode {len(files):,} photographs", "plain Pillow loop", rounds_of(decode, lambda: plain(files)))
    report(
        f"first load of {len(once)} photographs, cache and splits included",
        "plain Pillow loop",
        rounds_of(ours, lambda: plain(once)),
    )


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

    report("first load of FER2013", "pandas.read_csv alone", rounds_of(first, read))
    report("first load of FER2013", "read_csv and parsing the pixels", rounds_of(first, parse, rounds=1))
    report("second load of FER2013", "read_csv and splitting", rounds_of(lambda: load("fer2013", faces), split))


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
        MEASURED.add(what=f"{what} of {len(dataset.images):,} faces", own=seconds)


def measure_large(what: Callable[[int, Path], float], size: int) -> dict[str, Any]:
    """Runs one piece of work at half the size and at the whole size, in processes whose memory is their own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        (half, _), (whole, megabytes) = (pool.submit(_in_process, what, count).result() for count in (size // 2, size))
    name, ratio = (what.__doc__ or "").rstrip("."), whole / max(half, 1e-9)
    print(f"{name}: {size:,}: {whole:.1f} s", flush=True)
    return {"what": name, "size": size, "seconds": whole, "ratio": ratio, "memory": megabytes}


def _in_process(what: Callable[[int, Path], float], size: int) -> tuple[float, float]:
    """Returns the seconds that the work takes, and the most megabytes of private memory, sampled meanwhile."""
    ended, most = threading.Event(), [0.0]

    def watch() -> None:
        while not ended.wait(0.05):
            most[0] = max(most[0], private_megabytes())

    watcher = threading.Thread(target=watch)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["APERTUNE_CACHE"] = str(Path(folder) / "cache")
        watcher.start()
        try:
            return what(size, Path(folder)), most[0]
        finally:
            ended.set()
            watcher.join()


def private_megabytes() -> float:
    """The memory that only this process holds; pages of mapped files, which the system can drop, do not count."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def duplicates_alike(size: int, folder: Path) -> float:
    """Duplicates among frames of one still scene, 64x64 RGB."""
    from apertune.datasets.splits.duplicates import find_duplicates

    random = np.random.default_rng(0)
    scene = np.asarray(Image.fromarray(random.integers(20, 230, (8, 8, 3), np.uint8)).resize((64, 64)))
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (size, 64, 64, 3))
    for row in range(size):
        images[row] = scene + random.integers(-4, 5, scene.shape)
    return seconds_of(lambda: find_duplicates(images, folder))


def duplicates_unlike(size: int, folder: Path) -> float:
    """Duplicates among images of different scenes, 32x32 RGB."""
    from apertune.datasets.splits.duplicates import find_duplicates

    random = np.random.default_rng(0)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (size, 32, 32, 3))
    for row in range(size):
        images[row] = np.asarray(Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((32, 32)))
    return seconds_of(lambda: find_duplicates(images, folder))


def table_rows(size: int, folder: Path) -> float:
    """First load of a CSV of that many rows, which name a few hundred files."""
    from apertune.datasets import load

    names = _write_pictures(folder / "set", 256)
    with (folder / "set" / "images.csv").open("w") as file:
        file.write("path,label\n")
        file.writelines(f"{names[row % len(names)]},{'ab'[row % 2]}\n" for row in range(size))
    return seconds_of(lambda: load("table", folder / "set" / "images.csv", _small_images()))


def small_files(size: int, folder: Path) -> float:
    """First load of that many small files in folders."""
    from apertune.datasets import load

    _write_pictures(folder / "set", size)
    return seconds_of(lambda: load("folders", folder / "set", _small_images()))


def _small_images() -> LoadSettings:
    from apertune.datasets import LoadSettings

    return LoadSettings(image_size=16, channels=1)


def _write_pictures(root: Path, count: int) -> list[str]:
    """Writes PNG files of 16x16 pixels in folders of a thousand, and returns their names."""
    random, names = np.random.default_rng(0), []
    for number in range(count):
        names.append(f"{'ab'[number % 2]}/{number // 1000}/{number}.png")
        path = root / names[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16), np.uint8)).save(path)
    return names


def rounds_of(
    ours: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS
) -> list[tuple[float, float]]:
    """Returns the seconds of both, measured in turn."""
    return [(seconds_of(ours), seconds_of(other)) for _ in range(rounds)]


def seconds_of(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(what: str, compared: str, rounds: list[tuple[float, float]]) -> None:
    ours, other = (min(times) for times in zip(*rounds, strict=True))
    ratios = sorted(theirs / mine for mine, theirs in rounds)
    middle, spread = statistics.median(ratios), [ratios[0], ratios[-1]]
    MEASURED.add(what=what, own=ours, compared=compared, other=other, ratio=middle, range=spread)
    print(f"{what}: {ours:.3f} s, {compared} {other:.3f} s", flush=True)


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
