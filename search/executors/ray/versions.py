"""Versions of Python and of the packages that must agree on every node of a cluster."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from ....errors import SettingError
from ....keras_backend import keras_backend
from ....versions import installed_version

# The same everywhere, so that a trial gives the same result on every node; and more of them by Keras's backend.
COMPARED_PACKAGES = ("apertune", "keras", "tensorflow", "numpy")
BACKEND_PACKAGES = {"jax": ("jax", "jaxlib"), "torch": ("torch",)}


def installed_versions() -> dict[str, str]:
    """Returns the versions of Python, of `COMPARED_PACKAGES` and of every backend's packages, as far as installed."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for package in (*COMPARED_PACKAGES, *(name for names in BACKEND_PACKAGES.values() for name in names)):
        if (there := installed_version(package)) is not None:
            found[package] = there
    return found


def check_versions(host: str, there: Mapping[str, str]) -> None:
    """Compares the versions of a node with those of this machine.

    A backend that this machine has, but does not compute with, may be missing there.

    Raises:
        SettingError: The node would train with other versions.
    """
    compared = ("python", *COMPARED_PACKAGES, *BACKEND_PACKAGES.get(keras_backend(), ()))
    here = {name: found for name, found in installed_versions().items() if name in compared}
    different = [
        f"{name} {there.get(name, 'none')} there, {wanted} here"
        for name, wanted in here.items()
        if there.get(name) != wanted
    ]
    if different:
        raise SettingError(
            f"every node of the cluster must have the same versions as this machine, but {host} has "
            f"{'; '.join(different)}: install the same environment there"
        )
