"""Objects sent from Python: their names, their sources, and their way to another process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from programs import REPOSITORY

from apertune import spaces
from apertune.datasets.base import DataSpec
from apertune.errors import SpaceError
from apertune.spaces.foreign import sent
from apertune.spaces.foreign.sent import is_sent, keep, pack, payload, receive, sent_object
from apertune.spaces.foreign.source_text import source_text

SPEC = DataSpec((8, 8, 1), "multiclass", ("a", "b", "c"), (10, 10, 10), 30)
WIDTHS = [4, 8]
LOCK = threading.Lock()


class Doubled(keras.layers.Layer):
    """A layer of the user's own."""

    def call(self, inputs: Any) -> Any:
        return inputs * 2


def body(x: Any, width: int) -> Any:
    return Doubled()(keras.layers.Dense(width)(keras.layers.Flatten()(x)))


def build(hp: Any) -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    answers = keras.layers.Dense(3, activation="softmax")(body(inputs, hp.Choice("width", WIDTHS)))
    model = keras.Model(inputs, answers)
    model.compile("adam", "categorical_crossentropy")
    return model


class Tuned(keras_tuner.HyperModel):
    """A HyperModel with an argument."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def build(self, hp: Any) -> keras.Model:
        return build(hp)


def locked(hp: Any) -> keras.Model:
    with LOCK:
        return build(hp)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sent.FOLDERS_VARIABLE, raising=False)
    monkeypatch.setattr(sent, "_bytes", {})
    monkeypatch.setattr(sent, "_objects", {})


def test_the_same_code_has_the_same_name() -> None:
    """A name depends on the source and on the values that it refers to, and on nothing else."""
    first = pack(build, "space")
    assert is_sent(first.name)
    assert first.name.endswith(":build")
    assert pack(build, "space").name == first.name
    WIDTHS.append(16)
    try:
        assert pack(build, "space").name != first.name
    finally:
        WIDTHS.pop()
    assert pack(Tuned(3), "space").name != pack(Tuned(4), "space").name
    assert pack(Tuned(3), "space").name.endswith(":Tuned")


def test_its_source_is_whole() -> None:
    """The text has the function, what it calls, the layers of those, and plain values."""
    text = source_text(build)
    for part in ("def build(hp", "def body(x", "class Doubled(", "# WIDTHS = [4, 8]"):
        assert part in text
    assert "made with: most=3" in source_text(Tuned(3)).replace("name=None, ", "").replace(", tunable=True", "")


@pytest.mark.parametrize("thing", [build, Tuned(3), lambda hp: build(hp)])
def test_another_process_searches_it(thing: Any, tmp_path: Path) -> None:
    """A process that has only the kept files finds the hyperparameters, and builds the network."""
    made = pack(thing, "space")
    keep(made, tmp_path / "spaces")
    program = (
        "from apertune import spaces\nfrom apertune.datasets.base import DataSpec\n"
        f"space = spaces.load({made.name!r}, DataSpec((8, 8, 1), 'multiclass', ('a', 'b', 'c'), (9, 9, 9), 27))\n"
        "found = spaces.discover(space)\nprint([p.name for p in found.parameters])\n"
        "layer = space.candidate(spaces.hyperparameters(found, found.defaults()), epochs=1, seed=0).network\n"
        "print(layer.output_shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**_environment(), sent.FOLDERS_VARIABLE: str(tmp_path / "spaces")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["['width']", "(None, 3)"], done.stderr


def test_a_worker_gets_it_with_its_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Received bytes stand for the name, in this process and in the cache; classes are known by the name sent."""
    made = pack(build, "space")
    monkeypatch.setattr(sent, "_bytes", {})
    monkeypatch.setattr(sent, "_objects", {})
    receive(made.name, made.pickled)
    candidate = spaces.load(made.name, SPEC).candidate(keras_tuner.HyperParameters(), epochs=1, seed=0)
    modules = {type(layer).__module__ for layer in candidate.network._flatten_layers()}
    assert made.name.partition(":")[0] in modules
    monkeypatch.setattr(sent, "_bytes", {})
    assert payload(made.name) == made.pickled


def test_a_fresh_copy_is_another_object() -> None:
    """Each copy of an instance has a state of its own."""
    made = pack(Tuned(3), "space")
    one, two = sent_object(made.name, fresh=True), sent_object(made.name, fresh=True)
    one.most = 5
    assert two.most == 3


def test_what_cannot_be_sent_is_named_in_one_line() -> None:
    """The message names the culprit, and what is not here says where to get it."""
    with pytest.raises(
        SpaceError, match=r"space cannot be sent to the workers, since 'LOCK' cannot be pickled \("
    ) as error:
        pack(locked, "space")
    assert "\n" not in str(error.value)
    with pytest.raises(SpaceError, match="build was sent from Python, and its code is not in the folder mlflow/spaces"):
        sent_object("sent_0123456789ab:build")


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that a function drags along would go with each trial."""
    monkeypatch.setattr(sent, "LARGEST", 2**20)
    data = np.random.default_rng(0).random((2**18,))

    def heavy(hp: Any) -> Any:
        return data

    with pytest.raises(SpaceError, match="space takes 2 MB, more than the 1 MB that may be sent with each trial"):
        pack(heavy, "space")


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
