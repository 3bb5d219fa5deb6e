"""Measures how long the quick commands take, and what imports cost.

    uv run python benchmarks/startup.py [--trials 200] [--rounds 5] [--json]

Times `python -c pass`, `import apertune`, `apertune --help`, and `status` and `compare` on a study of --trials finished
trials, in turn, each in a fresh process. Prints the median, and the fastest, which a busy machine disturbs least. Then
prints the memory of this process after it has imported what a supervisor imports, and which of the heavy libraries are
among that.
"""

from __future__ import annotations

import argparse
import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from measurements import Column, Table, arguments_of, tell

from apertune.search.settings import make_home
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage

GOALS = {"--help": 0.5, "status": 1.0, "compare": 1.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = arguments_of(parser)
    scale = runpy.run_path(str(Path(__file__).with_name("scale.py")))
    with tempfile.TemporaryDirectory() as folder:
        home = make_home({}, root=Path(folder) / "mlflow")
        home.root.mkdir(parents=True)
        study = create_study(open_storage(home.storage), "scale", scale["definition"](scale["EPOCHS"]))
        scale["fill"](study, arguments.trials, home.records_file("scale"))
        command = [sys.executable, "-m", "apertune"]
        of_study = ["scale", "--storage", home.storage]
        timed = {
            "python": [sys.executable, "-c", "pass"],
            "import apertune": [sys.executable, "-c", "import apertune"],
            "--help": [*command, "--help"],
            "status": [*command, "status", *of_study],
            "compare": [*command, "compare", *of_study],
        }
        table = Table(
            "startup",
            Column("what", ""),
            Column("seconds", "median", "{:.2f} s"),
            Column("least", "fastest", "{:.2f} s"),
            Column("goal", "goal", "{:.1f} s"),
        )
        for name, taken in measure(timed, arguments.rounds, folder).items():
            table.add(what=name, seconds=statistics.median(taken), least=min(taken), goal=GOALS.get(name))
        tell(table)
    from apertune.search.engine import launch

    resident = psutil.Process().memory_info().rss / 2**20
    heavy = [name for name in ("tensorflow", "keras", "mlflow", "matplotlib") if name in sys.modules]
    print(f"supervisor's imports ({launch.__name__}): {resident:.0f} MiB; of the heavy libraries: {heavy or 'none'}")


def measure(commands: dict[str, list[str]], rounds: int, folder: str) -> dict[str, list[float]]:
    """Returns the seconds of each command in each round."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            began = time.perf_counter()
            subprocess.run(words, cwd=folder, env=dict(os.environ), check=True, capture_output=True)
            taken[name].append(time.perf_counter() - began)
    return taken


if __name__ == "__main__":
    main()
