"""Groups of commands and lists of choices that answer a word they do not know with the nearest one."""

from __future__ import annotations

from typing import Any

import click

from ..errors import UnknownNameError


class CommandGroup(click.Group):
    """A group of commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command that the first word names.

        Raises:
            UnknownNameError: There is no such command.
        """
        word = args[0]
        if not ctx.resilient_parsing and not word.startswith("-") and self.get_command(ctx, word) is None:
            raise UnknownNameError("command", word, self.list_commands(ctx))
        return super().resolve_command(ctx, args)


class KnownChoice(click.Choice[str]):
    """A choice from a few words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Returns the word.

        Raises:
            UnknownNameError: It is none of the choices.
        """
        if value not in self.choices:
            called = param.opts[0].lstrip("-").replace("-", " ") if param else "choice"
            raise UnknownNameError(called, str(value), self.choices)
        return super().convert(value, param, ctx)
