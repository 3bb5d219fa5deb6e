"""The page that `apertune datasets audit` writes: the pictures of each finding side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...page_style import STYLE
from ...text import counted
from ..base import ImageDataset
from .auditing import KINDS, Finding, Kind, counts

_TITLES: Mapping[Kind, str] = {
    "unreadable": "Files that cannot be used",
    "constant": "Constant images",
    "duplicate": "Duplicates",
    "near_duplicate": "Near duplicates",
    "altered_copy": "Mirrored, turned and cropped copies",
    "leak": "Leaks between splits",
    "conflict": "Label conflicts",
    "mislabelled": "Suspicious labels",
    "small_class": "Classes that a split lacks",
}
_FINDINGS_SHOWN = 60
_PICTURES_SHOWN = 8
_MOST_PIXELS = 160

_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }}: audit</title>
<style>
{{ style | safe }}
.findings { display: flex; flex-wrap: wrap; gap: 10px }
.finding { border: 1px solid var(--line); border-radius: 6px; padding: 8px 10px; max-width: 100% }
.finding.alone { width: 9.9rem }
.finding p { font-size: 13px; margin: 0 0 4px }
figure { display: inline-block; vertical-align: top; width: 8.5rem; margin: 2px 8px 2px 0 }
figure img { width: 8rem; height: 8rem; object-fit: contain; background: #eef1f4; image-rendering: pixelated }
figcaption { font-size: 12px; line-height: 1.35; overflow-wrap: anywhere } .differ b { color: var(--bad) }
</style>
</head>
<body>
<main>
<h1>{{ name }}: audit</h1>
<p class="soft">{{ images }} images. Fingerprint <code>{{ fingerprint }}</code></p>
<section class="verdict{{ " warned" if parts }}">
{% if parts %}{{ verdict }}{% else %}Nothing was found.{% endif %}
</section>
{% if parts %}
<nav class="cards">
{% for part in parts %}
<div class="card"><a class="small" href="#{{ part.kind }}">{{ part.title }}</a>
<strong>{{ "{:,}".format(part.number) }}</strong></div>
{% endfor %}
</nav>
{% endif %}
{% for part in parts %}
<section id="{{ part.kind }}"><h2>{{ part.title }}</h2>
<div class="findings">
{% for finding in part.findings %}
<div class="finding{% if finding.differ %} differ{% endif %}{% if finding.pictures | length == 1 %} alone{% endif %}">
<p>{{ finding.text }}</p>
{% for picture in finding.pictures %}
<figure>{% if picture.data %}<img src="{{ picture.data }}" alt="{{ picture.file }}">{% endif %}
<figcaption>{{ picture.file }}<br>{{ picture.split }}{% if picture.label %}: <b>{{ picture.label }}</b>{% endif %}
</figcaption></figure>
{% endfor %}
{% if finding.more %}<p>{{ finding.more }} more.</p>{% endif %}
</div>
{% endfor %}
</div>
{% if part.number > part.findings | length %}
<p>{{ "{:,}".format(part.number - part.findings | length) }} more of this kind; --json lists all of them.</p>
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
"""


def findings_page(dataset: ImageDataset, findings: Sequence[Finding]) -> str:
    """Draws the HTML page, which needs no other file.

    Args:
        dataset: The data set.
        findings: Those of its audit.
    """
    from jinja2 import Environment

    rows = {str(origin): row for row, origin in enumerate(dataset.origins.tolist())}
    numbers = counts(findings)
    parts = [
        {
            "kind": kind,
            "title": _TITLES[kind],
            "number": numbers[kind],
            "findings": [
                _shown(dataset, rows, finding)
                for finding in [each for each in findings if each.kind == kind][:_FINDINGS_SHOWN]
            ],
        }
        for kind in KINDS
        if numbers[kind]
    ]
    template = Environment(autoescape=True).from_string(_TEMPLATE)
    return template.render(
        name=dataset.name,
        images=f"{len(dataset.images):,}",
        fingerprint=dataset.fingerprint,
        parts=parts,
        verdict=f"{counted(len(findings), 'finding')}: look at the pictures before training on them.",
        style=STYLE,
    )


def _shown(dataset: ImageDataset, rows: Mapping[str, int], finding: Finding) -> dict[str, Any]:
    """One finding: its text, its pictures with their captions, the number of further pictures, and if labels differ."""
    text = finding.suggestion[:1].upper() + finding.suggestion[1:]
    labels: Sequence[str] = finding.labels
    if finding.kind == "mislabelled":
        labels = finding.labels[:1]
    elif finding.kind == "small_class":
        text, labels = f"{finding.labels[0]}: {text}", ()
    pictures = [
        {
            "file": file,
            "split": (finding.splits[place] or "left out") if place < len(finding.splits) else "",
            "label": labels[place] if place < len(labels) else "",
            "data": _embedded(dataset.images[rows[file]]) if file in rows else "",
        }
        for place, file in enumerate(finding.files[:_PICTURES_SHOWN])
    ]
    return {
        "text": text,
        "pictures": pictures,
        "more": len(finding.files) - len(pictures),
        "differ": len(set(labels)) > 1,
    }


def _embedded(pixels: NDArray[np.uint8]) -> str:
    """A picture, uint8 (height, width, channels), as an address that holds it."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels.squeeze(axis=2) if pixels.shape[2] == 1 else pixels))
    picture.thumbnail((_MOST_PIXELS, _MOST_PIXELS))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
