"""Opens one exported file in its own runtime, and writes its answers and how fast it gave them.

    python -m apertune.search.export.measure TASK.json

Run in a fresh process, which knows nothing of the original model; the parent reads the answers and compares.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from ...datasets.base import Images
from ..models.contract import read_contract
from .formats import PixelFunction, create_format, open_exported

_TIMED = 30  # images
_BATCH = 64


def main(task_file: Path) -> None:
    """Measures the file that a JSON document names.

    Args:
        task_file: A JSON document with `folder` (the export folder), `file` and `any_size_file` (names in it, the
            latter null for none), `format` (the format's target, as in `FORMATS`), `images` (an .npz file with
            `pixels`, `any_0`, `any_1` and so on) and `answers` (the .npz file to write).
    """
    task = json.loads(task_file.read_text(encoding="utf-8"))
    folder = Path(task["folder"])
    contract = read_contract(folder)
    with np.load(task["images"]) as arrays:
        pixels = arrays["pixels"]
        others = [arrays[name] for name in sorted(arrays.files) if name.startswith("any_")]
    form = create_format(task["format"])
    function = open_exported(form, folder / task["file"], contract)
    batches = [function(pixels[start : start + _BATCH]) for start in range(0, len(pixels), _BATCH)]
    answers = {"probabilities": np.concatenate(batches), "ms": np.array(_ms_per_image(function, pixels))}
    answers["note"] = np.array(getattr(function, "note", ""))
    if task["any_size_file"] is not None:
        sized = open_exported(form, folder / task["any_size_file"], contract, any_size=True)
        answers["any_size"] = np.concatenate([sized(image[None]) for image in others])
    np.savez(task["answers"], **answers)  # type: ignore[arg-type]  # numpy's stubs take the names for its own flags


def _ms_per_image(function: PixelFunction, pixels: Images) -> float:
    """Returns the median milliseconds per image, one at a time, as a server or a video asks."""
    seconds = []
    for row in range(_TIMED):
        image = pixels[row % len(pixels)][None]
        started = time.perf_counter()
        function(image)
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[3:]) * 1000)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
