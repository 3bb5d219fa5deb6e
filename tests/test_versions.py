"""The versions of packages, with and without their metadata."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

import apertune
from apertune.versions import PROJECT, installed_version


def test_installed_packages_have_their_version() -> None:
    """A package that is not there has none."""
    assert installed_version("keras") == importlib.metadata.version("keras")
    assert installed_version("no-such-package") is None


def test_a_checkout_without_metadata_has_the_version_of_its_project_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout can be used from the import path alone; without that file, there is no version."""

    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert f'version = "{installed_version("apertune")}"' in PROJECT.read_text(encoding="utf-8")
    assert apertune.__version__ == installed_version("apertune")
    assert installed_version("keras") is None
    monkeypatch.setattr("apertune.versions.PROJECT", tmp_path / "none.toml")
    assert installed_version("apertune") is None


def test_the_command_tells_the_version_of_a_checkout() -> None:
    """`apertune --version` needs no metadata either."""
    hidden = "import importlib.metadata as m\ndef none(name): raise m.PackageNotFoundError(name)\nm.version = none\n"
    code = f"{hidden}import sys; sys.argv = ['apertune', '--version']\nfrom apertune.cli import main\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == f"apertune, version {installed_version('apertune')}\n"
