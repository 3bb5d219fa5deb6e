"""Uploads an export folder to the Hugging Face Hub, whose page it then is."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from ...errors import ApertuneError, MissingExtraError, SettingError
from ...text import first_line

_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")


def check_repository(name: str) -> None:
    """Refuses, before anything is exported, a repository that nothing could be uploaded to.

    Raises:
        SettingError: The name is not USER/NAME.
        MissingExtraError: The Hub's package is not installed.
    """
    if _REPOSITORY.fullmatch(name) is None:
        raise SettingError(f"--push-to-hub must be USER/NAME, such as me/faces, but got '{name}'")
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError("--push-to-hub", "huggingface")


def push_to_hub(folder: Path, repository: str) -> str:
    """Uploads a folder, in one commit, to a repository that is made private unless it exists.

    Args:
        folder: The export folder.
        repository: USER/NAME.

    Returns:
        The address of its page.

    Raises:
        ApertuneError: The Hub does not take it; the folder stays as it is.
    """
    from huggingface_hub import HfApi

    try:
        hub = HfApi()
        page = hub.create_repo(repository, private=True, exist_ok=True)
        hub.upload_folder(repo_id=repository, folder_path=str(folder), commit_message="Export by Apertune")
    # The Hub's client raises its own errors and those of the connection, which have no common class.
    except Exception as error:
        raise ApertuneError(
            f"the Hugging Face Hub did not take {repository}: {first_line(error)}. The export is complete in {folder}; "
            f"log in with: hf auth login, then: hf upload {repository} {folder}"
        ) from None
    return str(page)
