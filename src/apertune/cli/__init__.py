"""The command line. Each command's module is imported only when that command runs, so `--help` is quick."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import signal
import sys
import warnings
from pathlib import Path

import click

from ..errors import ApertuneError
from ..files.faults import FULL, UNUSABLE
from ..wording import speak_of_flags
from .known_words import CommandGroup

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


class LazyGroup(CommandGroup):
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


def _tell_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from ..versions import installed_version
        from .output import print_line

        print_line(f"apertune, version {installed_version('apertune')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Search hyperparameters for image classifiers.

    Optuna draws trials from KerasTuner spaces; they run in parallel, and MLflow keeps their results.
    Start with: apertune search digits

    \b
    The Tab key completes words after this line in bash (docs/shell-completion.md has zsh and fish):
      eval "$(_APERTUNE_COMPLETE=bash_source apertune)"
    """


def main() -> None:
    """Runs the command line, and exits.

    The exit status is 0 when the work is done, 1 when it failed, and 2 when the settings or the data are wrong. When
    a signal ended a command (a search only if before its target), it is 128 + the signal's number: 130 for Ctrl-C, 143
    for SIGTERM, 129 for a closed terminal.
    """
    speak_of_flags()
    _hide_credentials()
    _escape_unprintable()
    try:
        status = cli.main(prog_name="apertune", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        for line in shown.getvalue().rstrip("\n").split("\n"):
            _print_line(line)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt) as error:
        with contextlib.suppress(OSError):
            _print_line("Stopped.")
        sys.exit(128 + _signal_of(error))
    except ApertuneError as error:
        _print_line(f"Error: {error.line}")
        for line in error.details:
            _print_line(f"  {line}")
        sys.exit(error.exit_status)
    except OSError as error:
        if not (line := _line_about(error)):
            raise
        _print_line(f"Error: {line}")
        sys.exit(2 if error.errno in UNUSABLE else 1)


def _print_line(line: str) -> None:
    # The module of printing loads tables and colours, which `--help` does without.
    from .output import print_line

    print_line(line, err=True)


def _escape_unprintable() -> None:
    """Makes standard output write what its encoding lacks as escapes, as standard error does, instead of failing.

    Warnings of libraries, which may name files and classes, are made safe to show, too.
    """
    from ..logs import hide_in_tracebacks
    from ..text import visible

    hide_in_tracebacks()
    written = warnings.formatwarning
    warnings.formatwarning = lambda *about, **more: "\n".join(map(visible, written(*about, **more).split("\n")))
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_VisibleFormatter())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class _VisibleFormatter(logging.Formatter):
    """Formats warnings that libraries log, which Python prints where nobody handles them."""

    def format(self, record: logging.LogRecord) -> str:
        from ..text import hidden_credentials, visible

        return "\n".join(map(visible, hidden_credentials(super().format(record)).split("\n")))


def _signal_of(error: BaseException) -> int:
    """Returns the number of the signal that interrupted a command; Ctrl-C's where nothing says which it was."""
    # click turns what a command raised into Abort.
    given = (error.__cause__ or error).args
    return given[0] if given and isinstance(given[0], int) else signal.SIGINT


def _line_about(error: OSError) -> str:
    """Returns the message for a fault of the user's folders, files or disk; empty for every other error."""
    if not _is_there(os.curdir):
        return "the working folder is not there any more; change to another folder"
    reason = error.strerror or str(error)
    if not isinstance(error.filename, str):
        return f"{reason}; make room, and type the command again" if error.errno in FULL else ""
    # An absent part of Apertune or of a library is no fault of the user's.
    if any(Path(error.filename).is_relative_to(own) for own in (sys.prefix, Path(__file__).parents[1])):
        return ""
    from ..search.settings import make_home

    root = make_home(os.environ).root
    if Path(error.filename).is_relative_to(root) and error.errno in UNUSABLE:
        return f"{root} cannot be written: {reason}; work in another folder"
    advice = "; name another file or folder" if error.errno in UNUSABLE else ""
    return f"{error.filename} cannot be used: {reason}{advice}"


def _is_there(folder: str) -> bool:
    try:
        return Path(folder).stat().st_nlink > 0 and bool(Path.cwd())
    except OSError:
        return False


def _hide_credentials() -> None:
    """Stars the credentials of URLs among the flags in the process list, which other users of the machine can read."""
    if not any("//" in word for word in sys.argv):
        return
    import shlex

    import setproctitle

    from ..text import hidden_command

    if (hidden := hidden_command(sys.orig_argv)) != shlex.join(sys.orig_argv):
        setproctitle.setproctitle(hidden)
