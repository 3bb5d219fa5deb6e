"""The commands and settings files of README and docs are such as the command takes.

Commands are read by the command's own parser, and those that search or promote by what checks their settings before any
data are loaded; ranges are compared with the space of digits. Flags that stand alone in the text are tried, too.
"""

from __future__ import annotations

import functools
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from documented import PAGES, blocks, commands_in, documented, inline

from apertune.cli import cli
from apertune.cli.configuration import read_configuration
from apertune.cli.dataset_options import load_settings
from apertune.cli.search import file_settings, search_settings
from apertune.cli.setting_options import given_flags, made_from, without
from apertune.datasets import ADAPTERS, DataSpec
from apertune.errors import ApertuneError, MissingExtraError
from apertune.search import PlaceSettings, PromotionSettings
from apertune.search.executors import devices
from apertune.spaces import SearchSpace, discover, load, narrow

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ELLIPSES = {"…", "..."}
DIGITS = DataSpec((8, 8, 1), "multiclass", tuple("0123456789"), (126,) * 10, 1258)
# Names that stand for one of the reader's own; npz is the adapter of CONTRIBUTING.md's guide.
STAND_INS = {"DATASET", "NAME", "npz"}
STAND_IN_FLAGS = {"--max-trial-epochs"}
# These flags are those of scripts.
NO_FLAGS_OF_OURS = {"benchmarks/RESULTS.md"}


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Returns the command's name and the values that the command's own parser reads from its words."""
    command: click.Command = cli
    context, path = click.Context(cli, info_name="apertune"), []
    while isinstance(command, click.Group):
        if not words or words[0].startswith("-"):
            break
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {' '.join([*path, words[0]])}"
        command = found
        path.append(words[0])
        words = words[1:]
    with command.make_context(" ".join(path), list(words), parent=context) as made:
        return " ".join(path), made.params


@functools.cache
def names_given() -> set[str]:
    """Returns the names that searches of the pages give to their data, by which later commands know them."""
    return {name for page in PAGES for block in blocks(page, "sh") for name in re.findall(r"--name (\S+)", block)}


@functools.cache
def space_of_digits(name: str) -> SearchSpace:
    return discover(load(name, DIGITS))


def check(words: list[str]) -> None:
    """Reads a whole command as far as it goes without data.

    Raises:
        Exception: The command refuses it.
    """
    try:
        command, values = parsed(words)
    except click.exceptions.Exit:
        return  # --help or --version
    given = given_flags(values)
    dataset = given.pop("dataset", None)
    for flag in ("config", "as_json"):
        given.pop(flag, None)
    if command == "search":
        settings, rest = search_settings(given)
        options = load_settings(rest).options
        ranges = {**settings.narrow, **settings.believe}
        if (settings.fix or ranges) and ":" not in settings.space:
            narrow(space_of_digits(settings.space), settings.fix, ranges)
    elif command == "promote":
        made_from(PromotionSettings, given)
        made_from(PlaceSettings, given)
        kept = {name: value for name, value in given.items() if name not in ("space", "storage")}
        options = load_settings(without(kept, PromotionSettings, PlaceSettings)).options
    else:
        options = {}
    if dataset is not None and command in ("search", "promote", "rerun"):
        given_names = {*STAND_INS, *(names_given() if command != "search" else ())}
        assert dataset in {*ADAPTERS, *given_names}, f"no data set is called {dataset}"
        assert dataset in given_names or options.keys() <= set(ADAPTERS[dataset].options)


@pytest.fixture(autouse=True)
def a_readers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages may name two GPUs, and a module of the reader's own."""
    Path("models.py").write_text("def build(hp): ...")
    monkeypatch.setattr(devices, "gpus", lambda: [devices.Gpu(n, "a GPU", 1.0, 1.0) for n in range(2)])


@pytest.mark.parametrize(("page", "command"), documented())
def test_a_documented_command_is_taken(page: str, command: str) -> None:
    """Commands exist, and their options take the values that the page gives them."""
    words = shlex.split(command)
    cut = [word for word in words if word not in ELLIPSES]
    try:
        check(cut)
    except click.MissingParameter:
        # In a sentence `apertune promote` names the command, and an ellipsis stands for what is left out.
        assert command in {one for code in inline(page) for one in map(shlex.join, commands_in(code))}


def lone_flags() -> list[tuple[str, str]]:
    """Returns the page and the words of each code in a text that begins with a flag."""
    pages = [page for page in PAGES if page not in NO_FLAGS_OF_OURS]
    return list(dict.fromkeys((page, code) for page in pages for code in inline(page) if code.startswith("--")))


def commands_and_groups() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", each) for below, each in command.commands.items())


FLAGS = {flag for _, command in commands_and_groups() for option in command.params for flag in option.opts}
TAKERS = (("search", "digits"), ("promote", "digits"), ("predict", "digits@champion", "a.png"), ("compare", "digits"))


@pytest.mark.parametrize(("page", "code"), lone_flags())
def test_a_flag_in_a_sentence_is_one(page: str, code: str) -> None:
    """Each is a flag of some command, or of another program in code of the same page; with a value, it takes it."""
    words = [word.rstrip(",") for word in shlex.split(code)]
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    others = {flag for block in blocks(page, "sh", "yaml", "") for flag in re.findall(r"--[\w-]+", block)}
    assert flags <= FLAGS | others | STAND_IN_FLAGS
    is_message = words[1:2] == ["must"]
    stands_in = any(re.search(r"[A-Z]{2}|[|…]", word) for word in words if "://" not in word)
    if len(words) == len(flags) or is_message or stands_in or not flags <= FLAGS:
        return
    if page in ("docs/your-own-model.md", "docs/from-keras-tuner.md"):
        words += ["--space", "models:build"]
    refusals = []
    for taker in TAKERS:
        try:
            check([*taker, *words])
        except MissingExtraError:
            return
        except (click.ClickException, ApertuneError) as error:
            refusals.append(f"{taker[0]}: {error}")
        else:
            return
    pytest.fail("; ".join(refusals))


def tables() -> list[tuple[str, str]]:
    return [(page, body) for page in PAGES for body in blocks(page, "toml")]


@pytest.mark.parametrize(("page", "text"), tables())
def test_a_documented_settings_file_is_taken(page: str, text: str) -> None:
    """Its settings exist and hold such values, its ranges lie within the space, and entry points name an object."""
    table = tomllib.loads(text)
    for entries in table.pop("project", {}).get("entry-points", {}).values():
        assert all(re.fullmatch(r"[\w.]+:\w+", target) for target in entries.values())
    if not table:
        return
    Path("search.toml").write_text(text)
    settings, rest = search_settings(read_configuration(Path("search.toml"), file_settings()))
    load_settings(rest)
    narrow(space_of_digits(settings.space), settings.fix, {**settings.narrow, **settings.believe})


def test_the_pages_are_found() -> None:
    """The tests above read the README, the pages of docs and the server's, and find code of every kind there."""
    assert {"README.md", "CONTRIBUTING.md", "docs/searching.md", "mlflow/README.md"} <= set(PAGES)
    assert len(documented()) > 100
    assert len(lone_flags()) > 80
    assert len(tables()) >= 2
