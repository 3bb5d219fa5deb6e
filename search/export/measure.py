"""Run in a fresh process: loads one exported file with its own runtime, and writes what it answers and how fast.

    python -m apertune.search.export.measure TASK.json

The parent reads the answers and compares; this process knows nothing of the original model.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from ...datasets.base import Images
from ..models.contract import read_contract
from .runtimes import PixelFunction, open_runtime

_TIMED = 30  # images
_BATCH = 64


def main(task_file: Path) -> None:
    """TASK.json: folder, file, any_size_file, runtime, images (npz: pixels, any_0, …), answers (npz to write)."""
    task = json.loads(task_file.read_text(encoding="utf-8"))
    folder = Path(task["folder"])
    contract = read_contract(folder)
    with np.load(task["images"]) as arrays:
        pixels = arrays["pixels"]
        others = [arrays[name] for name in sorted(arrays.files) if name.startswith("any_")]
    function = open_runtime(folder / task["file"], task["runtime"], contract)
    batches = [function(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
    answers = {"probabilities": np.concatenate(batches), "ms": np.array(_ms_per_image(function, pixels))}
    answers["note"] = np.array(getattr(function, "note", ""))
    if task["any_size_file"] is not None:
        sized = open_runtime(folder / task["any_size_file"], task["runtime"], contract, any_size=True)
        answers["any_size"] = np.concatenate([sized(image[None]) for image in others])
    np.savez(task["answers"], **answers)  # type: ignore[arg-type]  # numpy's stubs take the names for its own flags


def _ms_per_image(function: PixelFunction, pixels: Images) -> float:
    """Median milliseconds of one image at a time, as a server or a video asks."""
    seconds = []
    for row in range(_TIMED):
        image = pixels[row % len(pixels)][None]
        started = time.perf_counter()
        function(image)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[3:]) * 1000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
