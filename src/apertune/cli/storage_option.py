"""The option of every command that reads or makes studies: where they are."""

from __future__ import annotations

from ..search.settings import SearchSettings
from ..settings_fields import declarations
from .setting_options import setting_option

storage_option = setting_option(declarations(SearchSettings)["storage"])
