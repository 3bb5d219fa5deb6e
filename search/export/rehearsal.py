"""The fresh process of a rehearsal: loads a model as `predict` does, compares its answers, and exports it.

Started as `python -m apertune.search.export.rehearsal FOLDER SPACE`; leaves `found.json` in the folder.
"""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ...errors import ModelError, UserError
from ...text import named_line
from ..models.own_classes import trust_space
from ..models.package import load_model
from .exporting import export_model
from .formats import FORMATS, find_format
from .graph import predict

_LARGEST_DIFFERENCE = 1e-3


def main() -> None:
    """Rehearses the model in the folder that the command line names."""
    folder, space = Path(sys.argv[1]), sys.argv[2]
    problem, notes = rehearsed(folder, space)
    (folder / "found.json").write_text(json.dumps({"problem": problem, "notes": notes}), encoding="utf-8")


def rehearsed(folder: Path, space: str) -> tuple[str, list[str]]:
    """Returns why a model is of no use, empty if it is of use, and lines on what cannot be done with it.

    Args:
        folder: Holds `model`, and `probe.npz` with images and the answers that its network gave them.
        space: Name of the space that it was built by.
    """
    model, notes = folder / "model", []
    try:
        load_model(model)
    except ModelError as refused:
        if "--space" not in refused.message:
            return _cannot_be_loaded(refused), []
        try:
            trust_space(space)
            load_model(model)
        except UserError as error:
            return _cannot_be_loaded(error), []
        notes.append(
            f"its network has classes of your own, so predict, label, export and serving need --space {space}; "
            "exported models other than keras do not"
        )
    network, _ = load_model(model)
    with np.load(folder / "probe.npz") as probe:
        images, answers = probe["images"], probe["answers"]
    difference = float(np.abs(predict(network, images) - answers).max())
    if not difference <= _LARGEST_DIFFERENCE:
        return (
            f"answers otherwise once it was saved and loaded, by up to {difference:.2g}; do all layers of your own "
            "return their arguments in get_config, and keep their numbers in weights?"
        ), []
    return "", [*notes, *_export_notes(model, folder)]


def _cannot_be_loaded(error: Exception) -> str:
    reason = str(error).partition("model.keras ")[2] or str(error)
    # Keras keeps arithmetic on tensors in the file as it is; a Lambda layer keeps code.
    advice = "; write x / 255 on the tensor itself, or a layer class" if "of the kind Lambda" in reason else ""
    return f"cannot be loaded once it is saved: its file {reason.replace(chr(10), ' ')[:300]}{advice}"


def _export_notes(model: Path, folder: Path) -> list[str]:
    """Returns a line for each format that is installed and cannot be written."""
    notes = []
    for name in FORMATS:
        if any(find_spec(package) is None for package in find_format(name).packages):
            continue
        try:
            export_model(model, folder / f"export-{name}", formats=(name,))
        # A converter may raise anything.
        except Exception as error:
            notes.append(
                f"it cannot be exported as {name} ({named_line(error, most=160)}); other formats are not touched"
            )
    return notes


if __name__ == "__main__":
    main()
