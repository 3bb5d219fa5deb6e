"""Layers, models and functions of the user's own that a saved model needs, taken only from a module that they name.

A model's file says by names what it is made of. Names that Keras does not have are looked up nowhere but in the module
of the space that the user gave, so that a model from elsewhere runs no code that its user did not choose.
"""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from ...quiet import import_keras_quietly

# Names the spaces whose modules are trusted, with commas between them, for processes that load models on behalf of this
# one, and for servers.
SPACE_VARIABLE = "APERTUNE_SPACE"

_trusted: dict[tuple[str, str], Any] = {}
_named: set[str] = set()


def trust_space(space: str) -> None:
    """Lets models that are loaded from now on have the classes and functions of a space's module.

    It holds for this process and those that it starts.

    Modules beside it in its folder, which it imported, count as well. A space that ships needs nothing of its own.

    Args:
        space: `package.module:Name`, or a name of a space that ships.

    Raises:
        SpaceError: The module cannot be imported.
        UnknownNameError: It has no such name.
    """
    if ":" not in space:
        return
    _named.add(space)
    import_keras_quietly()
    from ...spaces.foreign.importing import import_space
    from ...spaces.foreign.sent import is_sent, module_of
    from ...spaces.foreign.source_text import referenced

    thing = import_space(space)
    if is_sent(space):
        _trusted.update({(module_of(space), part.__name__): part for part in referenced(thing) if _is_part(part)})
        _name_in_environment(space)
        return
    for module in _modules_beside(sys.modules[space.partition(":")[0]]):
        for name, thing in vars(module).items():
            if _is_part(thing) and thing.__module__ == module.__name__:
                _trusted[module.__name__, name] = thing
    _name_in_environment(space)
    # Others may be started in another folder; last, so that a file there never replaces an installed package.
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    if str(Path.cwd()) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([*paths, str(Path.cwd())])


def _name_in_environment(space: str) -> None:
    named = [name for name in os.environ.get(SPACE_VARIABLE, "").split(",") if name]
    os.environ[SPACE_VARIABLE] = ",".join(dict.fromkeys([*named, space]))


def is_trusted(module: str, name: str) -> bool:
    """Returns whether a class of that module and name may be made: the user, or the environment, names its module."""
    if (module, name) not in _trusted:
        for space in filter(None, os.environ.get(SPACE_VARIABLE, "").split(",")):
            if space not in _named:
                trust_space(space)
    return (module, name) in _trusted


def custom_objects() -> dict[str, Any]:
    """Returns the trusted classes and functions by name, as Keras takes them when it loads a model."""
    return {name: thing for (_, name), thing in _trusted.items()}


def _modules_beside(module: ModuleType) -> list[ModuleType]:
    """Returns a module, and those imported modules whose files lie in its folder or below."""
    file = getattr(module, "__file__", None)
    if file is None or "site-packages" in Path(file).parts:
        return [module]
    folder = Path(file).resolve().parent
    files = ((other, getattr(other, "__file__", None)) for other in list(sys.modules.values()))
    beside = [other for other, path in files if path and Path(path).resolve().is_relative_to(folder)]
    return [other for other in beside if "site-packages" not in Path(str(other.__file__)).parts]


def _is_part(thing: Any) -> bool:
    """Returns whether a thing is one of which Keras makes networks."""
    import keras

    kinds = (
        keras.layers.Layer,
        keras.initializers.Initializer,
        keras.regularizers.Regularizer,
        keras.constraints.Constraint,
    )
    return inspect.isfunction(thing) or (inspect.isclass(thing) and issubclass(thing, kinds))
