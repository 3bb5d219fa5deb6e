"""Names of classes as people mean them: one spelling of accents, no spaces around, no twins that differ by case."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from ...errors import DatasetError


def clean_name(name: str) -> str:
    """Returns a name without spaces around it and in Unicode's composed form, NFC, which macOS does not keep to.

    Args:
        name: The name as a folder, a table or an annotation has it.
    """
    return unicodedata.normalize("NFC", name).strip()


def refuse_twins(what: str, names: Iterable[str]) -> None:
    """Refuses names that differ only by case.

    Args:
        what: The things that are named, in the plural.
        names: Their names.

    Raises:
        DatasetError: Two names differ only by case.
    """
    seen: dict[str, str] = {}
    for name in sorted(names):
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            raise DatasetError(f"the {what} '{twin}' and '{name}' differ only by case; rename one of them")
