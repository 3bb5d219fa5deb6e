"""The option of every command that loads a model: the module in which classes of the user's own are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def space_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--space`, which names the module of classes of one's own, and is expected by no command itself."""
    return click.option(
        "--space",
        metavar="MODULE:NAME",
        multiple=True,
        expose_value=False,
        is_eager=True,
        callback=_trust,
        help="Take classes of your own, which a model built by your own space may need, from this space's module.",
    )(command)


def _trust(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    if not value or context.resilient_parsing:
        return
    from ..search.models.own_classes import trust_space
    from ..spaces.registry import check_name

    for name in value:
        check_name(name)
        trust_space(name)
