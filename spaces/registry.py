"""The spaces that ship, and how any other is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..datasets.base import DataSpec
from ..errors import SettingError, UnknownNameError

if TYPE_CHECKING:
    from .base import Space


@dataclass(frozen=True)
class Entry:
    """network: `module:attribute` of a `NetworkSpace` class in this package. summary: one line.

    options: names that `load` takes for it, each a keyword of the class.
    recipe: `module:attribute` of the `RecipeSpace` that goes with it.
    """

    network: str
    summary: str
    options: tuple[str, ...] = ()
    recipe: str = ".recipes.standard:StandardRecipe"
    published: bool = False


SPACES: dict[str, Entry] = {
    "convnet": Entry(".networks.convnet:ConvNetSpace", "Plain convolutional networks, 1 to 6 blocks; trains on a CPU."),
}


def load(name: str, spec: DataSpec, *, recipe: str | None = None, options: Mapping[str, str] | None = None) -> Space:
    """A space bound to a data set, by its name here or as `package.module:Name`.

    recipe: "standard" trains a foreign network by our recipe. options: such as `weights` for `pretrained`.
    Raises UnknownNameError for a name, SettingError for a recipe or an option that would have no effect,
    SpaceError when the space does not fit the data.
    """
    options = options or {}
    if ":" in name:
        from .foreign import load_foreign

        return load_foreign(name, spec, recipe=recipe, options=options)
    if name not in SPACES:
        raise UnknownNameError("space", name, SPACES)
    entry = SPACES[name]
    if recipe is not None and (recipe != "standard" or entry.published):
        raise SettingError(
            f"--recipe takes 'standard', for spaces of your own; '{name}' has its recipe, not '{recipe}'"
        )
    for option in options:
        if option not in entry.options:
            known = ", ".join(entry.options) or "none"
            raise SettingError(f"space '{name}' has no option '{option}'; it has: {known}")
    from .hypermodel import ComposedSpace

    space: Space = ComposedSpace(name, target(entry.network)(**options), target(entry.recipe)(), spec)
    return space


def target(path: str) -> Any:
    """What `.module:attribute` of this package names."""
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module, __package__), attribute)
