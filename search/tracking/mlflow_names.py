"""Names of hyperparameters and metrics as MLflow takes them, since users may call theirs anything."""

from __future__ import annotations

import hashlib
import posixpath
import re

LONGEST_NAME = 250  # characters
_REFUSED = re.compile(r"[^\w.\- /]")
_DIGEST_LETTERS = 8


def mlflow_name(name: str) -> str:
    """Returns a name that MLflow takes for a param, metric or tag; the name itself where MLflow takes it.

    Other characters than letters, digits, `_`, `.`, `-`, `/` and spaces become `_`. A digest of the original then
    keeps names apart that would otherwise be the same.
    """
    plain = _REFUSED.sub("_", name).strip() or "_"
    path = posixpath.normpath(plain)
    if path != plain or path.startswith(("..", "/")) or path == ".":
        plain = plain.replace("/", "_").replace("..", "__") if plain != "." else "_"
    if plain == name and len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LETTERS]
    return f"{plain[: LONGEST_NAME - _DIGEST_LETTERS - 1]}-{digest}"
