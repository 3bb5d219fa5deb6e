"""Tables of measured figures, which every benchmark prints for people and gives to `benchmarks/run.py` as JSON.

A benchmark declares each column once, with its title and the form of its figures:

    table = Table("overhead", Column("what", ""), Column("seconds", "median per trial", "{:.1f} s"))
    table.add(what="bare loop", seconds=21.3)
    tell(table)

`arguments_of(parser)` adds the option --json. With it, the standard output has one JSON document and nothing else; what
a benchmark prints on its way goes to the standard error. Only the standard library is imported here.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("tensorflow", "keras", "jax", "optuna", "mlflow")
# A benchmark that starts itself again for a part of its work reads that part's answer from the child's output.
CHILD = "child"
# Pages and results that `run.py` writes; they change nothing that is measured.
WRITTEN = ("benchmarks/RESULTS.md", "benchmarks/results", "README.md", "docs")


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    key: str
    """Its name in the JSON."""

    title: str
    """Its heading."""

    form: str = "{}"
    """The form of one figure, for `str.format`; a list's figures are set beside each other."""

    def cell(self, value: Any) -> str:
        """Returns a figure as text; nothing for None, and words as they are."""
        if value is None:
            return ""
        if isinstance(value, list | tuple):
            return ", ".join(map(self.cell, value))
        return value if isinstance(value, str) else self.form.format(value)


@dataclass(init=False)
class Table:
    """Columns, and rows of figures by the columns' keys."""

    name: str
    columns: tuple[Column, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __init__(self, name: str, *columns: Column, rows: Iterable[dict[str, Any]] = ()) -> None:
        self.name, self.columns, self.rows = name, columns, list(rows)

    def add(self, **figures: Any) -> None:
        """Adds a row; a column that is not given stays empty.

        Raises:
            KeyError: A figure has no column.
        """
        if unknown := figures.keys() - {column.key for column in self.columns}:
            raise KeyError(f"the table {self.name} has no column {', '.join(sorted(unknown))}")
        self.rows.append(figures)

    def cells(self) -> list[list[str]]:
        """Returns the texts of all rows."""
        return [[column.cell(row.get(column.key)) for column in self.columns] for row in self.rows]

    def text(self) -> str:
        """Returns the table for a terminal: a name, a heading and aligned columns."""
        lines = [[column.title for column in self.columns], *self.cells()]
        widths = [max(map(len, texts)) for texts in zip(*lines, strict=True)]
        set_out = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        return "\n".join([f"\n{self.name}", *set_out])

    def markdown(self) -> str:
        """Returns the table for a Markdown page."""
        heading, *rows = ([column.title for column in self.columns], *self.cells())
        lines = ["|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in (heading, *rows)]
        return "\n".join([lines[0], "|" + "---|" * len(heading), *lines[1:]])

    def to_json(self) -> dict[str, Any]:
        """Returns what `from_json` reads."""
        columns = [{"key": column.key, "title": column.title, "form": column.form} for column in self.columns]
        return {"name": self.name, "columns": columns, "rows": self.rows}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Table:
        """Returns the table that `to_json` wrote."""
        return cls(document["name"], *(Column(**column) for column in document["columns"]), rows=document["rows"])


def arguments_of(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
    """Adds --json and reads the command line; with --json, whatever is printed from now on is no result.

    Args:
        parser: The benchmark's own parser.
        words: The command line; that of the process unless given.
    """
    parser.add_argument("--json", action="store_true", help="Print the results as one JSON document.")
    arguments = parser.parse_args(words)
    if arguments.json and not getattr(arguments, CHILD, None):
        sys.stdout = sys.stderr
    return arguments


def tell(*tables: Table) -> None:
    """Prints tables, or as JSON where `arguments_of` read --json."""
    if sys.stdout is sys.stderr:
        print(json.dumps({"tables": [table.to_json() for table in tables]}), file=sys.__stdout__, flush=True)
        return
    for table in tables:
        print(table.text(), flush=True)


def machine() -> dict[str, Any]:
    """Returns processor, cores, memory in GiB, GPUs, and the versions that results depend on; no name of the host."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "gpus": gpus(),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def machine_words(machine: dict[str, Any]) -> str:
    """Returns one line for what `machine` returned."""
    cards = ", ".join(machine["gpus"]) or "no GPU"
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB, {cards}; {versions}"


def today() -> str:
    """Returns the date as ISO text."""
    return datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()


def commit() -> str:
    """Returns the commit that is measured, empty outside a repository; with a plus if files besides pages changed."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    status = [*git, "status", "--porcelain", "-uno", "--", ".", *(f":(exclude){path}" for path in WRITTEN)]
    changed = subprocess.run(status, capture_output=True, text=True, check=False)
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "") if found.returncode == 0 else ""


def gpus() -> list[str]:
    """Returns the names of the NVIDIA GPUs that the driver lists."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package, no library or no driver: no GPU
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    finally:
        pynvml.nvmlShutdown()


def _processor() -> str:
    """Returns the processor's name, as Linux tells it or, elsewhere, its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
