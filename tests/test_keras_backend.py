"""The backend of Keras, by Keras's own rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apertune.errors import SettingError
from apertune.keras_backend import check_backend, keras_backend


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a Keras of the test's own."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path / "keras.json"


def test_the_environment_counts_before_the_file(own_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without either it is TensorFlow; a file that cannot be read is none."""
    assert keras_backend() == "tensorflow"
    own_settings.write_text("{")
    assert keras_backend() == "tensorflow"
    own_settings.write_text(json.dumps({"backend": "jax"}))
    assert keras_backend() == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert keras_backend() == "torch"


def test_a_backend_that_does_not_train_is_refused_where_it_was_chosen(
    own_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says which setting is wrong, what it was and what it may be."""
    own_settings.write_text(json.dumps({"backend": "theano"}))
    with pytest.raises(SettingError) as error:
        keras_backend()
    assert str(error.value) == f"the backend in {own_settings} must be tensorflow, jax or torch, but got 'theano'"
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    with pytest.raises(SettingError, match=r"^KERAS_BACKEND must be tensorflow, jax or torch, but got 'numpy'$"):
        keras_backend()


def test_a_backend_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is started to find out."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match="KERAS_BACKEND is 'jax', which is not installed"):
        check_backend()
