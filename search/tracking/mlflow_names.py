"""Names of hyperparameters, metrics and models as MLflow takes them, since users may call theirs anything."""

from __future__ import annotations

import hashlib
import posixpath
import re

LONGEST_NAME = 250  # characters
_REFUSED = re.compile(r"[^\w.\- /]")
_DIGEST_LETTERS = 8
# MLflow refuses some of these in a model's name, and the others mean something in an address.
_REFUSED_IN_MODELS = re.compile(r"[^\w-]+")


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


def model_name(dataset: str, made_by: str) -> str:
    """Returns the name of a logged model, such as `digits-trial-0007`; it can stand in an address, `runs:/RUN/NAME`.

    Args:
        dataset: The data set's name.
        made_by: The rest of the name, such as `trial-0007`.
    """
    of = _REFUSED_IN_MODELS.sub("-", dataset)[: LONGEST_NAME - len(made_by) - 1].strip("-") or "data"
    return f"{of}-{made_by}"


def trial_model_name(dataset: str, number: int) -> str:
    """Returns the name of the model that a trial logs."""
    return model_name(dataset, f"trial-{number:04d}")
