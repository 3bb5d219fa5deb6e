"""The option of every command that writes files: where to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


class _ToOption(click.Option):
    """An option that shows its first name alone; the others are those that it had before, and still take."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        names, self.opts = self.opts, self.opts[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names


def to_option(
    name: str, help_text: str, *, before: str = "", folder: bool = False, **settings: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds `--to`.

    Args:
        name: The parameter of the command's function.
        help_text: The help line.
        before: The name that the option had before.
        folder: True where it names a folder, not a file.
        settings: Other settings of a click option.
    """
    names = ["--to", *([before] if before else []), name]
    metavar = "FOLDER" if folder else "FILE"
    return click.option(
        *names, cls=_ToOption, type=click.Path(path_type=Path), metavar=metavar, help=help_text, **settings
    )
