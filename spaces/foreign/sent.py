"""Objects that are sent from Python instead of being named: a function `build(hp)`, a HyperModel, callbacks.

Life of one: `pack` makes bytes of it (by cloudpickle) and a name such as `sent_0123456789ab:build`, made of its source,
so that the same code has the same name another day. `keep` puts both into the home of results, and a search copies them
to MLflow. The name then stands for the object wherever `package.module:Name` does. A worker `receive`s the bytes with
its task; every other process finds them in the folders that it was told to `look_in`.

A pickle runs code when it is read, as a module does when it is imported. So it is read only from folders that the user
works in and from a supervisor's own tasks, never from a tracking server on its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ...datasets.cache.entries import cache_folder
from ...errors import SpaceError
from ...files.replacing import replacing
from ...text import named_line
from .pickling import dumps
from .source_text import referenced, source_text

# The folders in which kept objects are found, for this process and those that it starts.
FOLDERS_VARIABLE = "APERTUNE_SENT"
# A task carries it to every worker, and MLflow keeps it with every search.
LARGEST = 64 * 2**20  # bytes
_PREFIX = "sent_"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f]{{12}}:\w+")
_PICKLE, _SOURCE = "pickle", "py"


@dataclass(frozen=True)
class Sent:
    """An object, ready to be sent."""

    name: str
    """The name that stands for it."""
    pickled: bytes
    """The object's bytes."""
    source: str
    """Its source, and that of the things of the user's that it refers to."""


_bytes: dict[str, bytes] = {}
_objects: dict[str, Any] = {}


def is_sent(name: str) -> bool:
    """Returns whether a name is that of an object that was sent."""
    return _NAME.fullmatch(name) is not None


def pack(thing: Any, called: str, attribute: str | None = None) -> Sent:
    """Makes an object ready to be sent.

    Args:
        thing: The object.
        called: The user's name of the argument, for messages.
        attribute: The last part of the name; made of the object's own unless given.

    Raises:
        SpaceError: It cannot be sent, or is too large.
    """
    import cloudpickle

    attribute = attribute or attribute_name(thing)
    by_value = [sys.modules[name] for name in sorted(_own_modules(thing))]
    for module in by_value:
        cloudpickle.register_pickle_by_value(module)
    try:
        pickled = dumps(thing)
    # A user's object may raise anything when it is pickled.
    except Exception as error:
        raise SpaceError(
            f"{called} cannot be sent to the workers, since {_culprit(thing, attribute)} cannot be pickled "
            f"({named_line(error, most=160)}); make it inside the function"
        ) from None
    finally:
        for module in by_value:
            cloudpickle.unregister_pickle_by_value(module)
    if len(pickled) > LARGEST:
        raise SpaceError(
            f"{called} takes {len(pickled) / 2**20:.0f} MB, more than the {LARGEST // 2**20} MB that may be sent with "
            "each trial; load large things inside the function, and give images as data"
        )
    text = source_text(thing)
    digest = hashlib.sha256(f"{attribute}\n{text}".encode(errors="replace")).hexdigest()[:12]
    sent = Sent(f"{_PREFIX}{digest}:{attribute}", pickled, text)
    _bytes[sent.name] = pickled
    _objects[sent.name] = thing
    return sent


def attribute_name(thing: Any) -> str:
    """Returns the name of a function or class, or that of an object's class, as a Python name."""
    while isinstance(thing, partial):
        thing = thing.func
    name = getattr(thing, "__name__", None) or type(thing).__name__
    return re.sub(r"\W", "", str(name)) or "space"


def module_of(name: str) -> str:
    """Returns the part of a name that stands for a module, under which the classes of an object are known."""
    return name.partition(":")[0]


def folder_of(name: str, folder: Path) -> Path:
    """Returns the folder in which an object is kept, within the folder of all of them."""
    return folder / module_of(name)


def keep(sent: Sent, folder: Path) -> None:
    """Keeps an object, with its source as a text, in a folder of its own within `folder`."""
    attribute = sent.name.partition(":")[2]
    own = folder_of(sent.name, folder)
    own.mkdir(parents=True, exist_ok=True)
    with replacing(own / f"{attribute}.{_PICKLE}") as file:
        file.write(sent.pickled)
    with replacing(own / f"{attribute}.{_SOURCE}") as file:
        file.write(sent.source.encode(errors="replace"))
    look_in(folder)


def look_in(folder: Path) -> None:
    """Lets this process, and those that it starts, find the objects that are kept in a folder."""
    known = [path for path in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if path]
    if str(folder.absolute()) not in known:
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join([str(folder.absolute()), *known])


def payload(name: str) -> bytes:
    """Returns the bytes of an object that was sent, to go with a task; none for any other name, or where it is not."""
    if not is_sent(name):
        return b""
    if name not in _bytes:
        for folder in _folders():
            # Another name in it, such as that of a layer, stands for the whole, as for a module.
            if files := sorted(folder_of(name, folder).glob(f"*.{_PICKLE}")):
                _bytes[name] = files[0].read_bytes()
                break
    return _bytes.get(name, b"")


def receive(name: str, pickled: bytes) -> None:
    """Takes the bytes that came with a task, for this process and those that it starts."""
    if not pickled or _bytes.get(name) == pickled:
        return
    _bytes[name] = pickled
    _objects.pop(name, None)
    keep(Sent(name, pickled, ""), cache_folder() / "sent")


def sent_object(name: str, *, fresh: bool = False) -> Any:
    """Returns the object that a name stands for.

    Args:
        name: The name, one of `is_sent`.
        fresh: Make a new copy, not that which was made before.

    Raises:
        SpaceError: Its bytes are nowhere, or need something that is not here.
    """
    if name in _objects and not fresh:
        return _objects[name]
    attribute = name.partition(":")[2]
    pickled = payload(name)
    if not pickled:
        raise SpaceError(
            f"{attribute} was sent from Python, and its code is not in the folder mlflow/spaces here; work in the "
            "folder of its search, or take it from MLflow with apertune.fetch_space(RUN)"
        )
    thing = _loaded(attribute, pickled)
    for part in referenced(thing):
        # Saved networks name the module of a layer, which here is the name that was sent, not that of a notebook.
        part.__module__ = module_of(name)
    if not fresh:
        _objects[name] = thing
    return thing


def _loaded(attribute: str, pickled: bytes) -> Any:
    import pickle

    here = str(Path.cwd())
    if here not in sys.path:
        # Last, so that a file in the folder never replaces an installed package.
        sys.path.append(here)
    try:
        return pickle.loads(pickled)
    except ModuleNotFoundError as error:
        raise SpaceError(f"{attribute} needs the module '{error.name}', which is not installed where it runs") from None
    # The code of the user's classes runs here, and may raise anything.
    except Exception as error:
        raise SpaceError(f"{attribute} cannot be made of what was sent: {named_line(error)}") from None


def _own_modules(thing: Any) -> set[str]:
    """Returns the modules of the user's, neither installed nor Python's, whose code is to go along."""
    names = {part.__module__ for part in referenced(thing)} - {"__main__"}
    return {name for name in names if name in sys.modules}


def _culprit(thing: Any, attribute: str) -> str:
    """Returns in words which part of an object cannot be pickled."""

    def fails(part: Any) -> bool:
        try:
            dumps(part)
        except Exception:
            return True
        return False

    parts: list[tuple[str, Callable[[], Any]]] = []
    for one in referenced(thing):
        code = getattr(one, "__code__", None)
        if code is None:
            continue
        cells = zip(code.co_freevars, one.__closure__ or (), strict=False)
        parts += [(name, partial(getattr, cell, "cell_contents")) for name, cell in cells]
        parts += [(name, partial(one.__globals__.get, name)) for name in code.co_names if name in one.__globals__]
    parts += [(name, partial(getattr, thing, name)) for name in getattr(thing, "__dict__", {})]
    return next((f"'{name}'" for name, get in parts if fails(get())), attribute)


def _folders() -> list[Path]:
    told = [Path(path) for path in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if path]
    return [*told, Path("mlflow", "spaces"), cache_folder() / "sent"]
