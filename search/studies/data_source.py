"""The data set of a study as the command named it, kept beside the study so that later commands need not be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...files.private import private_files
from ...files.replacing import replacing

FILE = "data.json"


@dataclass(frozen=True)
class DataSource:
    """The words of a command that open a data set."""

    dataset: str
    """The data set as the command names it, such as `folders`."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """The values of the data set's flags, by the flag's Python name."""


@private_files()
def note_source(folder: Path, source: DataSource) -> None:
    """Keeps the words in a study's folder; none are kept where the study was made from another folder."""
    if folder.is_dir():
        with replacing(folder / FILE) as file:
            file.write(json.dumps(asdict(source)).encode())


def read_source(folder: Path) -> DataSource | None:
    """Returns the words that a study's folder keeps; None where it keeps none that can be read."""
    try:
        kept = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return DataSource(str(kept["dataset"]), dict(kept["flags"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
