"""Measures the memory of whole searches by process, and with a bound on it, watched from outside.

    uv run python benchmarks/search_memory.py [--simpsons simpsons_dataset] [--bounds 1.4GB 2GB] [--json]

Runs `apertune search` on scikit-learn's digits as it comes, again with `--memory`, and on the Simpsons characters if
they are given. Every half second adds up the memory of its processes, shared pages divided among those that share
them (PSS, Linux alone), and tells the highest of each kind.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measurements import Column, Table, arguments_of, tell
from memory import Processes

DIGITS = ("digits", "--trials", "6", "--epochs", "3")
SIMPSONS = ("simpsons", "--trials", "3", "--epochs", "1")
KINDS = ("supervisor", "sender", "worker", "another")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simpsons", type=Path, help="Search this folder of Simpsons characters, too.")
    parser.add_argument(
        "--bounds", nargs="*", default=["1.4GB", "2GB"], help="Search digits again with each of these as --memory."
    )
    arguments = arguments_of(parser)
    table = Table(
        "search-memory",
        Column("search", ""),
        *(Column(kind, kind, "{:,.0f} MiB") for kind in KINDS),
        Column("together", "all together", "{:,.0f} MiB"),
    )
    searches = [("digits, 6 trials of 3 epochs", DIGITS)]
    searches += [(f"the same with `--memory {bound}`", (*DIGITS, "--memory", bound)) for bound in arguments.bounds]
    if arguments.simpsons:
        words = (*SIMPSONS, "--data", str(arguments.simpsons.resolve()))
        searches.append(("Simpsons characters, 3 trials of 1 epoch", words))
    for title, words in searches:
        processes = watched(words)
        table.add(
            search=title,
            **{kind: processes.highest.get(kind) for kind in KINDS},
            together=processes.together,
        )
    tell(table)


def watched(words: tuple[str, ...]) -> Processes:
    """Searches in a fresh folder with a fresh cache; returns the highest memory of its processes."""
    with tempfile.TemporaryDirectory() as folder:
        search = subprocess.Popen(
            [sys.executable, "-m", "apertune", "search", *words, "--seed", "0"],
            cwd=folder,
            env={**os.environ, "APERTUNE_CACHE": str(Path(folder) / "cache")},
            stdout=sys.stderr,
        )
        processes = Processes(search.pid)
        processes.start()
        if search.wait():
            raise SystemExit(f"the search ended with status {search.returncode}")
    return processes


if __name__ == "__main__":
    main()
