"""Budgets in one word: the settings that `--preset` and `apertune.tune(preset=...)` stand for.

A setting that is given beside a preset wins. At equal epochs per trial, `good` costs what the defaults cost, `quick`
about a tenth of that, and `best` about ten times as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import UnknownNameError


@dataclass(frozen=True)
class Preset:
    """A budget."""

    summary: str
    """One line for documentation."""
    settings: Mapping[str, Any]
    """The values of settings, by field name."""


PRESETS: dict[str, Preset] = {
    "quick": Preset(
        "A first look: is there anything to learn, and does everything work?",
        {"trials": 6, "epochs": 6, "patience": 3, "keep_models": "best:3"},
    ),
    "good": Preset(
        "The defaults, with only the best models kept: an afternoon on a GPU for data of usual size.",
        {"trials": 20, "epochs": 20, "patience": 5, "keep_models": "best:5"},
    ),
    "best": Preset(
        "A champion: enough trials for the sampler to learn from, and enough epochs for slow learners.",
        {"trials": 100, "epochs": 50, "patience": 10, "keep_models": "best:10"},
    ),
}


def preset_settings(name: str | None) -> dict[str, Any]:
    """Returns the settings of a preset, by field name; none without a name.

    Raises:
        UnknownNameError: There is no such preset.
    """
    if name is None:
        return {}
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    return dict(PRESETS[name].settings)
