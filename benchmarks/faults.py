"""Runs the tests of faults, the long ones too, and tells what each found.

    uv run python benchmarks/faults.py [--short] [--only WORDS]

The tests of `tests/faults` kill processes, fill disks, move clocks and take servers away, with the bounds that the
README.md there names; one that passes has met them. Each gives a row: what holds, how many of its cases passed, how
long they took, and the figures that it noted. Some need root, PostgreSQL, a Ray cluster, or real faces in the folder
that `APERTUNE_REAL_DATA` names, and are not run without. `APERTUNE_OUTAGE_SECONDS=900` makes the outages longer.
Anything else on the machine shows in the figures.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from defusedxml import ElementTree
from measurements import ROOT, Column, Table, arguments_of, tell

TESTS = ROOT / "tests" / "faults"
# The property under which the fixture `note` keeps figures.
NOTED = "measured"
MEASURED = Table(
    "faults",
    Column("holds", "what holds"),
    Column("passed", "cases that passed"),
    Column("seconds", "seconds", "{:.0f}"),
    Column("found", "found"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="Leave out the tests that take minutes.")
    parser.add_argument("--only", default="", metavar="WORDS", help="Run tests that match this, as pytest's -k does.")
    arguments = arguments_of(parser)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        marks = "not slow and not ci" if arguments.short else "slow or not slow"
        command = [sys.executable, "-m", "pytest", str(TESTS), "-n", "0", "-m", marks, "-k", arguments.only]
        # Notes of tests are in the older family of JUnit reports alone.
        command += ["-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}"]
        # Its output is no result of this program, whose standard output may be one JSON document.
        status = subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False).returncode
        if not report.exists():
            raise SystemExit(f"pytest ended with status {status} and no report")
        fill(MEASURED, report)
    tell(MEASURED)
    raise SystemExit(status)


def fill(table: Table, report: Path) -> None:
    """Adds a row per test that ran or was left out, from a report in JUnit's format."""
    sentences = docstrings()
    cases = defaultdict(list)
    for case in ElementTree.parse(report).iter("testcase"):
        cases[re.sub(r"\[.*", "", case.get("name"), flags=re.DOTALL)].append(case)
    for test, own in cases.items():
        skipped = sum(case.find("skipped") is not None for case in own)
        failed = sum(case.find("failure") is not None or case.find("error") is not None for case in own)
        ran = len(own) - skipped
        noted = [item.get("value") for case in own for item in case.iter("property") if item.get("name") == NOTED]
        table.add(
            holds=sentences.get(test, test.removeprefix("test_").replace("_", " ")),
            passed=f"{ran - failed} of {ran}" if ran else "not run",
            seconds=sum(float(case.get("time")) for case in own) if ran else None,
            found="; ".join(noted),
        )


def docstrings() -> dict[str, str]:
    """Returns the first paragraph of each test's docstring, by the test's name."""
    found = {}
    for file in sorted(TESTS.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
                found[node.name] = " ".join(paragraph.split()).removesuffix(".")
    return found


if __name__ == "__main__":
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main()
