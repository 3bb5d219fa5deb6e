"""The network space that CONTRIBUTING.md shows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from guide import examples

from apertune import spaces
from apertune.spaces import networks
from apertune.spaces.registry import SPACES, Entry


@pytest.fixture
def _dilated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts the section's two code blocks where it says that they belong."""
    module, line = examples("A hyperparameter")
    (tmp_path / "dilated.py").write_text(module)
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path)])
    for name, entry in eval(f"{{{line}}}", {"Entry": Entry}).items():
        monkeypatch.setitem(SPACES, name, entry)
    yield
    sys.modules.pop(f"{networks.__name__}.dilated", None)
    vars(networks).pop("dilated", None)


@pytest.mark.usefixtures("_dilated")
def test_a_hyperparameter_of_three_lines_is_searched(spec_of: Any, batch_of: Any) -> None:
    """The hyperparameter that CONTRIBUTING.md adds is discovered, narrowed, drawn and built into the network."""
    spec = spec_of()
    space = spaces.load("dilated", spec)
    discovered = spaces.discover(space)
    (dilation,) = (parameter for parameter in discovered.parameters if parameter.name == "dilation")
    assert (dilation.options, dilation.default) == ((1, 2, 3, 4), 2)
    values = spaces.narrow(discovered, {"dilation": "3"}).defaults()
    network = space.candidate(spaces.hyperparameters(discovered, values), epochs=1, seed=0).network
    convolutions = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.dilation_rate for layer in convolutions] == [(1, 1), (3, 3)]
    probabilities = np.asarray(network(batch_of(spec)[0]))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(len(probabilities)), rel=1e-5)
