"""Measures how long `apertune predict` takes to name one picture, and many, by Keras and by a model's ONNX file.

    uv run python benchmarks/one_picture.py [--rounds 5] [--many 500] [--json]

Searches and promotes a small model of digits in a fresh folder, then names one picture with it, and a folder of 360x240
photographs in JPEG, in turn with and without its ONNX file, each time in a fresh process. Tells medians of the time, of
the processor time and of the highest memory (resident, of that process). Needs the extra `export`, without which a
model has no such file; runs on Linux and macOS.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measurements import Column, Table, arguments_of, tell
from PIL import Image

from apertune import datasets
from apertune.search.models.package import write_manifest

APERTUNE = (sys.executable, "-m", "apertune")
KERAS, ONNX = "by Keras", "by the ONNX file"
ONNX_FILE = "model.onnx"
PICTURE, PICTURES, MODEL = "picture.png", "pictures", "digits@champion"
MIB = 2**20
# Linux tells the highest memory of a process in KiB, macOS in bytes.
MEMORY_UNIT = 1 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True)
class Named:
    """One run of `apertune predict`."""

    seconds: float
    busy: float
    """Seconds of a processor."""

    memory: float
    """Highest resident memory in MiB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=500)
    arguments = arguments_of(parser)
    files = {1: PICTURE, arguments.many: PICTURES}
    runs: dict[tuple[int, str], list[Named]] = {(count, way): [] for count in files for way in (KERAS, ONNX)}
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        onnx_file = prepare(folder, arguments.many)
        content = onnx_file.read_bytes()
        for number in range(1, arguments.rounds + 1):
            for (count, way), named in runs.items():
                put(onnx_file, content if way == ONNX else None)
                named.append(name_pictures(folder, files[count]))
                print(f"round {number}: {count} {way} {named[-1].seconds:.2f} s", flush=True)
    table = Table(
        "one-picture",
        Column("way", ""),
        Column("pictures", "pictures"),
        Column("seconds", "in all", "{:.2f} s"),
        Column("busy", "processor time", "{:.1f} s"),
        Column("memory", "peak memory", "{:.0f} MiB"),
    )
    for (count, way), named in runs.items():
        figures = {key: statistics.median(getattr(one, key) for one in named) for key in ("seconds", "busy", "memory")}
        table.add(way=way, pictures=count, **figures)
    tell(table)


def prepare(folder: Path, many: int) -> Path:
    """Registers a model of digits and writes one picture and many to name; returns the model's ONNX file."""
    digits = datasets.load("digits").training_view().images("train").squeeze()
    Image.fromarray(digits[0]).save(folder / PICTURE)
    (folder / PICTURES).mkdir()
    for number in range(many):
        large = Image.fromarray(digits[number % len(digits)]).resize((360, 240), Image.Resampling.BICUBIC)
        large.save(folder / PICTURES / f"{number}.jpg")
    for words in (("search", "digits", "--trials", "2", "--epochs", "3"), ("promote", "digits", "--seeds", "1")):
        subprocess.run([*APERTUNE, *words], cwd=folder, check=True, stdout=sys.stderr)
    (found,) = folder.rglob(ONNX_FILE)
    return found


def put(onnx_file: Path, content: bytes | None) -> None:
    """Writes the ONNX file, or removes it where `content` is None, and the manifest of its folder."""
    onnx_file.unlink(missing_ok=True)
    if content is not None:
        onnx_file.write_bytes(content)
    write_manifest(onnx_file.parent)


def name_pictures(folder: Path, files: str) -> Named:
    """Names a picture, or all in a folder, in a process of its own."""
    began = time.perf_counter()
    process = subprocess.Popen([*APERTUNE, "predict", MODEL, files], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"predict ended with status {process.returncode}")
    return Named(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * MEMORY_UNIT / MIB)


if __name__ == "__main__":
    main()
