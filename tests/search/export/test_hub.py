"""An export is uploaded to the Hugging Face Hub, or stays complete where it is; the Hub is a stand-in here."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apertune.errors import ApertuneError, MissingExtraError, SettingError
from apertune.search.export import hub
from apertune.search.export.hub import check_repository, push_to_hub


class PretendedHub:
    """Takes one folder, or refuses as the Hub does."""

    def __init__(self) -> None:
        self.made: list[tuple[str, bool, bool]] = []
        self.uploaded: list[tuple[str, str]] = []
        self.refuses = False

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> str:
        if self.refuses:
            raise RuntimeError("401 Client Error\nInvalid username or password.")
        self.made.append((repository, private, exist_ok))
        return f"https://huggingface.co/{repository}"

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        assert commit_message
        self.uploaded.append((repo_id, folder_path))


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> PretendedHub:
    made = PretendedHub()
    module: Any = SimpleNamespace(HfApi=lambda: made)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    monkeypatch.setattr(hub, "find_spec", lambda name: object())
    return made


def test_a_folder_is_uploaded_to_a_private_repository(pretended: PretendedHub, tmp_path: Path) -> None:
    """The page's address comes back."""
    check_repository("me/faces")
    assert push_to_hub(tmp_path, "me/faces") == "https://huggingface.co/me/faces"
    assert pretended.made == [("me/faces", True, True)]
    assert pretended.uploaded == [("me/faces", str(tmp_path))]


def test_a_refusal_is_one_line_that_says_what_is_left_to_do(pretended: PretendedHub, tmp_path: Path) -> None:
    """The folder stays, and the line has the commands that upload it."""
    pretended.refuses = True
    with pytest.raises(ApertuneError) as refused:
        push_to_hub(tmp_path, "me/faces")
    assert "\n" not in str(refused.value)
    assert "401 Client Error" in str(refused.value)
    assert f"hf upload me/faces {tmp_path}" in str(refused.value)


@pytest.mark.parametrize("name", ["faces", "a/b/c", "/faces", "me/", "me/my faces"])
def test_a_name_that_is_no_repository_is_refused_first(pretended: PretendedHub, name: str) -> None:
    """Nothing is exported for a name that cannot be uploaded to."""
    with pytest.raises(SettingError, match="must be USER/NAME"):
        check_repository(name)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says how to install it."""
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="--extra huggingface"):
        check_repository("me/faces")
