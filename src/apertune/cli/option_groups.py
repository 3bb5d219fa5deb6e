"""Help in groups of options, for commands that have many.

A few lines over click's own formatter, since a library for them would be one more thing to install and to import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

# In the order of the help; options without a group come last.
GROUPS = ("Data", "Space", "Budget", "Where it runs", "How it searches", "Results")
REST = "Options"


class GroupedCommand(click.Command):
    """A command whose help shows its options in groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes one section per group that has options."""
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in (*GROUPS, REST)}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            # Newer versions of click have a record of arguments, too, which the usage line shows.
            if record is not None and isinstance(parameter, click.Option):
                sections[getattr(parameter, "group", "") or REST].append(record)
        for group, records in sections.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl(records)


def in_group(group: str) -> Callable[[_Command], _Command]:
    """Puts the option that the decorator below adds into a group of the help."""

    def note(command: _Command) -> _Command:
        parameters: list[Any] = (
            command.params if isinstance(command, click.Command) else vars(command)["__click_params__"]
        )
        parameters[-1].group = group
        return command

    return note
