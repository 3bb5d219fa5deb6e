"""The words of help lines and docstrings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from programs import REPOSITORY

from apertune.cli import COMMANDS, cli

# A docstring or comment that opens with one of these is a clause of a sentence whose beginning the reader has to guess.
RELATIVE = {"How", "Of", "So", "What", "When", "Where", "Whether", "Which", "Who", "Whose", "Why"}
# Comments and tests' docstrings are whole sentences, which "When it is full, ..." may open.
RELATIVE_IN_SENTENCES = RELATIVE - {"When"}
# Every help line begins with one of these; a new command or option may bring a verb of its own.
IMPERATIVES = {
    "Add",
    "Answer",
    "Average",
    "Choose",
    "Compare",
    "Compute",
    "Confirm",
    "Count",
    "Cut",
    "Describe",
    "Download",
    "Draw",
    "End",
    "Export",
    "Fail",
    "Fetch",
    "Find",
    "Fit",
    "Give",
    "Grow",
    "Hold",
    "Keep",
    "Kill",
    "Leave",
    "Let",
    "Limit",
    "List",
    "Look",
    "Make",
    "Mark",
    "Name",
    "Narrow",
    "Open",
    "Predict",
    "Print",
    "Promote",
    "Prune",
    "Read",
    "Remove",
    "Resize",
    "Run",
    "Save",
    "Score",
    "Search",
    "Send",
    "Serve",
    "Set",
    "Show",
    "Skip",
    "Sort",
    "Split",
    "Start",
    "Stop",
    "Take",
    "Test",
    "Train",
    "Try",
    "Upload",
    "Use",
    "Write",
}
# The default, in square brackets, follows the sentence.
DEFAULT = re.compile(r"\s*\[default: .*\]$", re.DOTALL)
# click makes these itself.
OF_CLICK = {"help", "version"}


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and group with the words that call it."""

    def below(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield words, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                one = command.get_command(context, name)
                assert one is not None
                yield from below(f"{words} {name}", one)

    return below("apertune", cli)


def help_lines() -> dict[str, str | None]:
    """The first sentence of each command and the help of each option, by the words that show it."""
    lines = {f"apertune --help: {name}": line for name, (_, _, line) in COMMANDS.items()}
    found: dict[str, str | None] = dict(lines)
    for words, command in commands():
        text = re.sub(r"\s+", " ", (command.help or "").partition("\n\n")[0]).strip()
        found[words] = text
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name not in OF_CLICK:
                found[f"{words} {parameter.opts[0]}"] = parameter.help
    return found


@pytest.mark.parametrize(("called", "line"), list(help_lines().items()))
def test_a_help_line_is_a_whole_imperative_sentence(called: str, line: str | None) -> None:
    """It begins with a verb that tells the command to do something, and ends with a full stop."""
    assert line, f"{called} has no help"
    sentence = DEFAULT.sub("", line)
    assert re.split(r"\W", sentence, maxsplit=1)[0] in IMPERATIVES, f"{called}: {line}"
    assert sentence.endswith("."), f"{called}: {line}"


def source_files() -> list[Path]:
    """Every module of the package, its tests and its benchmarks; the package's rooms are links to folders."""
    return sorted(
        {
            path.resolve()
            for room in ("src", "datasets", "search", "spaces", "tests", "benchmarks")
            for path in (REPOSITORY / room).rglob("*.py")
        }
    )


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, those beside the fields of a class included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                match statement:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        yield statement.lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment; one of several lines counts once."""
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:
                yield token.start[0], token.string.lstrip("#! ")
            last = token.start[0]


@pytest.mark.parametrize("path", source_files(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_docstrings_and_comments_open_with_a_verb_or_a_name(path: Path) -> None:
    """No docstring opens with a bare relative clause, and no comment with one that lacks its sentence."""
    source, opened = path.read_text(encoding="utf-8"), []
    in_docstrings = RELATIVE_IN_SENTENCES if path.is_relative_to(REPOSITORY / "tests") else RELATIVE
    for texts, relative in ((docstrings(ast.parse(source)), in_docstrings), (comments(source), RELATIVE_IN_SENTENCES)):
        for number, text in texts:
            words = text.split()
            if words and words[0].strip(",.:;") in relative:
                opened.append(f"{path.relative_to(REPOSITORY)}:{number}: {' '.join(words[:8])}")
    assert not opened, "\n".join(opened)
