"""The texts that explain an export folder to those who get it: a model card, the labels, and a server for it.

README.md has the form of a model card of the Hugging Face Hub, whose head, in YAML, the Hub reads.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...text import some_of, visible
from ..models.contract import ModelContract
from ..models.package import CARD_FILE, SCORES_FILE
from .graph import has_any_size
from .parity import ParityRow

TEMPLATES = Path(__file__).parent / "templates"
README_FILE, LABELS_FILE = "README.md", "labels.txt"
SERVER_FILES = ("serve.py", "requirements.txt", "Dockerfile")
# Identifiers of the Hub's for the licences that data sets of images are given; any other is told in words.
_LICENCES = {
    "cc by 4.0": "cc-by-4.0", "cc by-sa 4.0": "cc-by-sa-4.0", "cc by-nc 4.0": "cc-by-nc-4.0", "cc0": "cc0-1.0",
    "mit": "mit", "apache 2.0": "apache-2.0",
}  # fmt: skip
_MOST_CLASSES = 40


def write_explanation(
    folder: Path, model: Path, contract: ModelContract, rows: Sequence[ParityRow], compared_on: str
) -> None:
    """Writes README.md, labels.txt and, beside an ONNX file, a server and its container's recipe.

    Args:
        folder: The export folder, with its formats written.
        model: The folder of the model that was exported, with its card and scores if it was promoted.
        contract: The model's contract.
        rows: The comparison of each file with the original.
        compared_on: The images of that comparison, in words.
    """
    labels = "".join(f"{visible(name)}\n" for name in contract.classes)
    (folder / LABELS_FILE).write_text(labels, encoding="utf-8")
    if (model / CARD_FILE).is_file():
        shutil.copyfile(model / CARD_FILE, folder / CARD_FILE)
    if any(row.format == "onnx" for row in rows):
        for name in SERVER_FILES:
            shutil.copyfile(TEMPLATES / name, folder / name)
    page = _page(contract, rows, compared_on, _measured(model), has_card=(model / CARD_FILE).is_file())
    (folder / README_FILE).write_text(page, encoding="utf-8")


def _page(
    contract: ModelContract,
    rows: Sequence[ParityRow],
    compared_on: str,
    measured: dict[str, Any],
    *,
    has_card: bool,
) -> str:
    import jinja2

    height, width, channels = contract.image_shape
    environment = jinja2.Environment(
        # The page is Markdown, so what comes from data is made harmless here, by `_text`.
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("README.md.jinja").render(
        front_matter=_front_matter(contract, rows, measured.get("scores", [])),
        title=_text(contract.dataset),
        version=contract.apertune_version or "",
        task=contract.task,
        classes=some_of([_text(name) for name in contract.classes], _MOST_CLASSES),
        second_class=_text(contract.classes[1]),
        width=width,
        height=height,
        channels=channels,
        any_size=has_any_size(contract),
        resize=contract.resize,
        dataset=_text(contract.dataset),
        fingerprint=contract.fingerprint,
        licence=_text(contract.licence or "not known"),
        scores=measured.get("scores", []),
        test_images=f"{measured.get('test_images', 0):,}",
        has_card=has_card,
        minimum_probability=contract.minimum_probability,
        thresholds=contract.thresholds,
        rows=rows,
        formats={row.format for row in rows},
        compared_on=compared_on,
        image_name=_image_name(contract.dataset),
        picture_lines=_picture_lines(contract, any_size=has_any_size(contract)),
        fixed_picture_lines=_picture_lines(contract, any_size=False),
        answer_lines=_answer_lines(contract),
    )


def _measured(model: Path) -> dict[str, Any]:
    """Returns the scores that a promotion left with the model; none for a model that was not promoted."""
    if not (model / SCORES_FILE).is_file():
        return {}
    document: dict[str, Any] = json.loads((model / SCORES_FILE).read_text(encoding="utf-8"))
    return document


def _front_matter(contract: ModelContract, rows: Sequence[ParityRow], scores: Sequence[dict[str, Any]]) -> str:
    """Returns the head of the model card. Source: https://huggingface.co/docs/hub/model-cards."""
    import yaml

    words = re.split(r" \(|,|;", (contract.licence or "").lower())[0].strip()
    head: dict[str, Any] = {"license": _LICENCES.get(words, "other")}
    if head["license"] == "other":
        head["license_name"] = contract.licence or "not known"
    head |= {
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "apertune", *sorted({row.format for row in rows})],
    }
    if scores:
        task = {"type": "image-classification"}
        about = {"name": contract.dataset, "type": _image_name(contract.dataset), "split": "test"}
        metrics = [{"type": score["metric"], "value": round(score["test"], 4)} for score in scores]
        head["model-index"] = [
            {"name": contract.dataset, "results": [{"task": task, "dataset": about, "metrics": metrics}]}
        ]
    return str(yaml.safe_dump(head, allow_unicode=True, sort_keys=False)).rstrip()


def _picture_lines(contract: ModelContract, *, any_size: bool) -> str:
    if any_size:
        return 'picture = np.asarray(Image.open("picture.png").convert("RGB"))'
    height, width, channels = contract.image_shape
    mode = "L" if channels == 1 else "RGB"
    picture = f'Image.open("picture.png").convert("{mode}")'
    arguments = f"({width}, {height}), Image.Resampling.BILINEAR"
    if contract.resize == "stretch":
        resized = f"{picture}.resize({arguments})"
    else:
        resized = f"ImageOps.{'fit' if contract.resize == 'crop' else 'pad'}({picture}, {arguments})"
    return f"picture = np.asarray({resized}).reshape({height}, {width}, {channels})"


def _answer_lines(contract: ModelContract) -> str:
    shares = "[1 - answers[0][0], answers[0][0]]" if contract.task == "binary" else "answers[0]"
    return (
        'labels = open("labels.txt", encoding="utf-8").read().splitlines()\n'
        f"for share, name in sorted(zip({shares}, labels), reverse=True)[:3]:\n"
        '    print(f"{name}: {share:.1%}")'
    )


def _image_name(dataset: str) -> str:
    """Returns a data set's name as containers and URLs may hold it."""
    return re.sub(r"[^a-z0-9]+", "-", dataset.lower()).strip("-") or "model"


def _text(words: str) -> str:
    """Returns words that come from data, harmless in a table of Markdown."""
    return re.sub(r"([\\`*_|\[\]~])", r"\\\1", html.escape(visible(words), quote=False))
