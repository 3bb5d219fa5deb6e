"""Imports of a worker, which take no library along that it does not use."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from apertune.search.training.lean_imports import LEFT_OUT, left_out

OPTIONAL = """
try:
    import wanted
except ImportError:
    wanted = None
"""


def test_an_option_is_left_out_and_imported_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that another one would take along is not imported, and whoever asks for it afterwards gets it."""
    (tmp_path / "wanted.py").write_text("here = True\n")
    (tmp_path / "taker.py").write_text(OPTIONAL)
    monkeypatch.syspath_prepend(tmp_path)
    with left_out(["wanted"]):
        taker = importlib.import_module("taker")
        assert importlib.util.find_spec("wanted") is not None
    assert taker.wanted is None
    assert "wanted" not in sys.modules
    assert importlib.import_module("wanted").here
    with left_out(["wanted"]):
        assert importlib.import_module("wanted").here
    for name in ("wanted", "taker"):
        del sys.modules[name]


@pytest.mark.ci
def test_a_worker_imports_its_framework_alone() -> None:
    """A worker that is ready has imported none of the libraries that Keras takes along, and can import each."""
    program = (
        "import importlib, sys\n"
        "from apertune.search.training import worker\n"
        "worker.serve = lambda *given: None\n"
        "worker.main()\n"
        f"assert 'keras' in sys.modules and not sys.modules.keys() & set({LEFT_OUT}), sys.modules.keys()\n"
        "import matplotlib.figure, sklearn.datasets\n"
        "import keras, numpy\n"
        "network = keras.Sequential([keras.layers.Dense(1)])\n"
        "network.compile(loss='mse')\n"
        "network.fit(numpy.ones((4, 2)), numpy.ones((4, 1)), verbose=0)\n"
        # As a user's own training may do.
        "import pandas\n"
        "network.fit(pandas.DataFrame(numpy.ones((4, 2))), pandas.DataFrame(numpy.ones((4, 1))), verbose=0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
