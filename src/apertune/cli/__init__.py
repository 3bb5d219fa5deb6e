"""The command line. Each command's module is imported only when that command runs, so `--help` is quick."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import signal
import sys
from pathlib import Path

import click

from ..errors import ApertuneError
from ..wording import speak_of_flags

# name: (module of this package, attribute, one line for `apertune --help`)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "datasets": ("datasets", "datasets", "List, describe, audit and fetch data sets."),
    "spaces": ("spaces", "spaces", "List and show search spaces."),
    "search": ("search", "search", "Search a data set's hyperparameters."),
    "studies": ("studies", "studies", "List the studies in this folder."),
    "status": ("studies", "status", "Show the state of a study."),
    "stop": ("studies", "stop", "End a running search cleanly."),
    "compare": ("compare", "compare", "Compare a data set's trials, best first."),
    "rerun": ("rerun", "rerun", "Train a trial again from its record in MLflow, and compare."),
    "report": ("report", "report", "Write a study as one page that works offline."),
    "promote": ("promote", "promote", "Make the best trial the champion, if it is really better."),
    "rollback": ("promote", "rollback", "Make the previous champion the champion again."),
    "export": ("export", "export", "Write a model's files for other runtimes, each proven equal."),
    "predict": ("predict", "predict", "Name what images, folders and videos show."),
    "label": ("label", "label", "Grow a data set by a video's frames, sorted by a model."),
    "sync": ("studies", "sync", "Send MLflow the results that it could not take before."),
    "ui": ("ui", "ui", "Open the MLflow UI on this machine."),
}

# Somebody else's folder, a read-only disk, or a file in the folder's place.
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


class LazyGroup(click.Group):
    """The commands, each imported only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f".{module}", __package__), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="apertune")
def cli() -> None:
    """Search hyperparameters for image classifiers.

    Optuna draws trials from KerasTuner spaces; they run in parallel, and MLflow keeps their results.
    Start with: apertune search digits
    """


def main() -> None:
    """Runs the command line, and exits.

    The exit status is 0 when the work is done, 1 when it failed, and 2 when the settings or the data are wrong. When
    a signal ended a command (a search only if before its target), it is 128 + the signal's number: 130 for Ctrl-C, 143
    for SIGTERM, 129 for a closed terminal.
    """
    speak_of_flags()
    _hide_credentials()
    try:
        status = cli.main(standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        with contextlib.suppress(OSError):
            click.echo("Stopped.", err=True)
        sys.exit(128 + _signal_of(error))
    except ApertuneError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        if not (line := _unwritable_home(error)):
            raise
        click.echo(f"Error: {line}", err=True)
        sys.exit(2)


def _signal_of(error: BaseException) -> int:
    """Returns the number of the signal that interrupted a command; Ctrl-C's where nothing says which it was."""
    # click turns what a command raised into Abort.
    given = (error.__cause__ or error).args
    return given[0] if given and isinstance(given[0], int) else signal.SIGINT


def _unwritable_home(error: OSError) -> str:
    """Returns the message for a home folder that cannot be written; empty for every other error."""
    if error.errno not in NOT_WRITABLE or not isinstance(error.filename, str):
        return ""
    from ..search.settings import make_home

    root = make_home(os.environ).root
    if not Path(error.filename).is_relative_to(root):
        return ""
    return f"{root} cannot be written: {error.strerror}; work in another folder"


def _hide_credentials() -> None:
    """Stars the credentials of URLs among the flags in the process list, which other users of the machine can read."""
    if not any("://" in word for word in sys.argv):
        return
    import shlex

    import setproctitle

    from ..text import hidden_credentials

    command = shlex.join(sys.orig_argv)
    if (hidden := hidden_credentials(command)) != command:
        setproctitle.setproctitle(hidden)
