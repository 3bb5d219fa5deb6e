"""Every executor that `--cluster` can ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import SettingError


@dataclass(frozen=True)
class ExecutorEntry:
    """An executor, and the values of `--cluster` that ask for it."""

    pattern: str
    """Regular expression that such a value matches as a whole."""
    target: str
    """Function that makes the executor, as "module:function"; a module that starts with a dot is below this package.

    It is called as `make(places, logs, at_most=..., only=...)`, whose arguments `make_executor` documents. It is
    imported only when it is needed, so it may import any library.
    """


# By the form that help and messages show.
CLUSTERS: dict[str, ExecutorEntry] = {
    "auto": ExecutorEntry("auto", ".ray.executor:make_ray_executor"),
    "ray://HOST:PORT": ExecutorEntry(r"ray://[^/\s@]+:\d+", ".ray.executor:make_ray_executor"),
}
THIS_MACHINE = ExecutorEntry("", ".local.executor:make_local_executor")


def find_executor(cluster: str | None) -> ExecutorEntry:
    """Returns the executor that a value of `--cluster` asks for; that of this machine for None.

    Raises:
        SettingError: The value asks for none.
    """
    if cluster is None:
        return THIS_MACHINE
    for entry in CLUSTERS.values():
        if re.fullmatch(entry.pattern, cluster):
            return entry
    raise SettingError(f"--cluster must be {' or '.join(CLUSTERS)}, but got '{cluster}'")
