"""The rule for the name that a data set's results are kept under, and the names of splits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from ..errors import SettingError

# The names that tables and data sets give to the three splits, in lower case.
SPLIT_NAMES: Mapping[str, Literal["train", "validation", "test"]] = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
# The same, and the numbers that CelebA gives them.
PARTITION_NAMES: Mapping[str, Literal["train", "validation", "test"]] = {
    **SPLIT_NAMES,
    **{"0": "train", "1": "validation", "2": "test"},
}
_NAME = re.compile(r"\w[\w-]{0,60}")


def check_name(called: str, name: object) -> None:
    """Refuses a name that cannot be part of the names of folders, an experiment, a study and a registered model.

    Args:
        called: The setting, for the message.
        name: The name given.

    Raises:
        SettingError: The name is not one.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = f"'{name[:80]}'" if isinstance(name, str) else f"{type(name).__name__}"
        raise SettingError(f"{called} must be letters, digits, '_' and '-' (at most 61), but got {shown}")
