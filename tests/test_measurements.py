"""The benchmarks' results: their tables, RESULTS.md, and the figures that README.md and docs take from them."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from programs import REPOSITORY


def benchmark(name: str) -> Any:
    """Imports a module of that folder, whose `datasets.py` other tests would take for the library of that name."""
    sys.path.append(str(REPOSITORY / "benchmarks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(REPOSITORY / "benchmarks"))


claims, faults, goals = benchmark("claims"), benchmark("faults"), benchmark("goals")
measurements, run = benchmark("measurements"), benchmark("run")
Column, Table = measurements.Column, measurements.Table


def table() -> Any:
    return Table("speed", Column("what", ""), Column("seconds", "time", "{:.1f} s"), Column("share", "share", "{:.2f}"))


def test_a_columns_form_is_that_of_every_figure() -> None:
    """Words stay as they are, lists are set beside each other, and what was not measured is empty."""
    made = table()
    made.add(what="search", seconds=[1.26, 2.0])
    made.add(what="loop", seconds="none", share=0.5)
    assert made.markdown() == ("| | time | share |\n|---|---|---|\n| search | 1.3 s, 2.0 s | |\n| loop | none | 0.50 |")
    assert made.text().splitlines()[2:] == [
        "        time          share",
        "search  1.3 s, 2.0 s",
        "loop    none          0.50",
    ]
    assert Table.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_a_figure_without_a_column_is_refused() -> None:
    """A misspelt key is not lost in silence."""
    with pytest.raises(KeyError, match="the table speed has no column second"):
        table().add(second=1)


def test_with_json_standard_output_has_the_document_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other lines go to the standard error."""
    monkeypatch.setattr("sys.__stdout__", sys.stdout)
    monkeypatch.setattr("sys.stdout", sys.stdout)
    made = table()
    made.add(what="loop", share=0.25)
    measurements.arguments_of(argparse.ArgumentParser(), ["--json"])
    print("on the way")
    measurements.tell(made)
    output = capsys.readouterr()
    assert json.loads(output.out) == {"tables": [made.to_json()]}
    assert output.err == "on the way\n"


def test_a_commit_is_marked_where_anything_but_a_written_page_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tables and figures that `run.py` writes after each benchmark do not mark the next one's commit."""

    def git(*words: str) -> str:
        name = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        return subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    monkeypatch.setattr(measurements, "ROOT", tmp_path)
    assert measurements.commit() == ""
    page, code = tmp_path / "benchmarks/RESULTS.md", tmp_path / "search/engine.py"
    for file in (page, code):
        file.parent.mkdir()
        file.write_text("before\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    page.write_text("after\n")
    head = git("rev-parse", "--short", "HEAD").strip()
    assert measurements.commit() == head
    code.write_text("after\n")
    assert measurements.commit() == f"{head}+"


def test_the_machine_is_told_without_its_name() -> None:
    """Processor, cores, memory and versions are there."""
    machine = measurements.machine()
    assert machine["cores"] >= 1
    assert machine["memory_gib"] >= 1
    assert {"python", "keras", "optuna", "mlflow"} <= machine["versions"].keys()
    import socket

    assert socket.gethostname() not in json.dumps(machine)
    assert f"{machine['cores']} cores of {machine['processor']}" in measurements.machine_words(machine)


def test_every_benchmark_of_the_list_can_be_run() -> None:
    """Its program is there, each table has a place on the page, and names are given once."""
    names = [one.name for one in run.BENCHMARKS]
    assert len(names) == len(set(names))
    places = run.marked(run.PAGE.read_text(encoding="utf-8"))
    assert len(places) == len(set(places))
    for one in run.BENCHMARKS:
        assert one.program.is_file(), one.name
        assert set(one.tables.values()) <= set(places), one.name
        assert "{" not in one.shown
        assert all(need in run.LACKING for need in one.needs)


def test_results_md_has_the_tables_of_the_results() -> None:
    """Between its marks nothing was written by hand; `python benchmarks/run.py --write` mends it."""
    text = run.PAGE.read_text(encoding="utf-8")
    assert run.page_of(text) == text


def test_every_kept_result_says_where_it_comes_from() -> None:
    """Command, date and machine; and each is that of a benchmark of the list."""
    files = list(run.RESULTS.rglob("*.json"))
    assert len(files) > 20
    assert set(files) <= {one.results for one in run.BENCHMARKS}
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        assert {"command", "date", "commit", "machine", "tables"} <= document.keys(), file
        assert file.stat().st_size < 100_000, file


@pytest.mark.parametrize("claim", claims.claims(), ids=lambda claim: f"{claim['page']} {claim['text'][:40]}")
def test_pages_claim_what_was_measured(claim: Mapping[str, Any]) -> None:
    """A figure of README.md or docs is that of the results; `python benchmarks/run.py --write` writes it."""
    found = claims.look_up(claim, run.cell_of)
    assert found
    for figure in found:
        assert figure.written == figure.measured, f"{figure.page}: {figure.written}, measured {figure.measured}"


@pytest.mark.parametrize("passage", claims.measured_passages(), ids=lambda passage: passage["from"][:40])
def test_no_figure_of_a_measured_passage_is_unclaimed(passage: Mapping[str, Any]) -> None:
    """Each comes from the results, or is said to be no measurement."""
    assert claims.unclaimed(passage, run.cell_of) == []


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one benchmark, a page that shows its table, and a README that claims its figure."""
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(run, "PAGE", tmp_path / "RESULTS.md")
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    monkeypatch.setattr(claims, "FILE", tmp_path / "claims.toml")
    one = run.Benchmark("speed", "speed.py --fast", 0.1, {"speed": "the-speed"})
    monkeypatch.setattr(run, "BENCHMARKS", (one,))
    (tmp_path / "speed.py").write_text(
        f"import argparse, sys\nsys.path.append({str(REPOSITORY / 'benchmarks')!r})\n"
        "from measurements import Column, Table, arguments_of, tell\n"
        "parser = argparse.ArgumentParser()\nparser.add_argument('--fast', action='store_true')\n"
        "assert arguments_of(parser).fast\n"
        "table = Table('speed', Column('what', ''), Column('seconds', 'time', '{:.1f} s'))\n"
        "table.add(what='search', seconds=61.52)\nprint('halfway')\ntell(table)\n"
    )
    (tmp_path / "RESULTS.md").write_text(
        "# Results\n\n<!-- table the-speed -->\n\n<!-- end of table the-speed -->\n\nProse.\n"
    )
    (tmp_path / "README.md").write_text("It takes 70\ns. Elsewhere, 70 s.\n")
    (tmp_path / "claims.toml").write_text(
        '[[claims]]\npage = "README.md"\ntext = "It takes {own:.0f} s."\n'
        'own = { table = "the-speed", row = { what = "search" }, column = "seconds" }\n'
        '[[measured]]\npage = "README.md"\nfrom = "It takes"\nto = "\\n"\n'
    )
    return tmp_path


def test_a_run_writes_results_page_and_claims(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The raw figures are kept with their origin; text between tables stays, and so do other figures."""
    monkeypatch.setattr("sys.argv", ["run.py"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert not ended.value.code
    kept = json.loads((small / "results" / "speed.json").read_text())
    assert kept["command"] == "python benchmarks/speed.py --fast"
    assert kept["tables"][0]["rows"] == [{"what": "search", "seconds": 61.52}]
    page = (small / "RESULTS.md").read_text()
    assert page.startswith("# Results\n\n<!-- table the-speed -->\n<sub>`python benchmarks/speed.py --fast`; ")
    assert page.endswith("| | time |\n|---|---|\n| search | 61.5 s |\n<!-- end of table the-speed -->\n\nProse.\n")
    assert (small / "README.md").read_text() == "It takes 62\ns. Elsewhere, 70 s.\n"


def test_a_benchmark_that_cannot_run_says_what_is_missing(small: Path) -> None:
    """And so does the page."""
    assert "Not run yet: `python benchmarks/speed.py --fast`." in run.page_of(run.PAGE.read_text())
    one = run.Benchmark("speed", "speed.py --data {fer2013}", 0.1, {"speed": "the-speed"}, ("gpu",))
    assert one.lacks({}) in ("needs a GPU and --data fer2013=PATH", "needs --data fer2013=PATH")
    assert one.shown == "python benchmarks/speed.py --data fer2013.csv"


def test_a_benchmark_that_fails_or_takes_too_long_is_named(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is kept of it."""
    (small / "speed.py").write_text("raise SystemExit(3)  # arguments_of(\n")
    assert run.run_all(run.BENCHMARKS, {}, None) == ["speed"]
    assert "speed: failed after 0 s: exit status 3" in capsys.readouterr().out
    assert run.run_all(run.BENCHMARKS, {}, 0.0001) == []
    assert "speed: not run: no time is left for it" in capsys.readouterr().out
    (small / "speed.py").write_text("import time  # arguments_of(\ntime.sleep(60)\n")
    assert run.run(run.BENCHMARKS[0], {}, 0.5) == ([], "its time was over")
    assert not (small / "results").exists()
    (small / "speed.py").write_text('print("[]")  # arguments_of(\n')
    assert run.run(run.BENCHMARKS[0], {}, 60) == ([], "it printed no results")


def test_missed_bounds_are_kept_and_named(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A loss is written like a win."""
    (small / "speed.py").write_text((small / "speed.py").read_text() + "sys.exit(1)\n")
    assert run.run_all(run.BENCHMARKS, {}, None) == ["speed"]
    assert "exit status 1" in capsys.readouterr().out
    assert run.cell_of("the-speed", {"what": "search"}, "seconds") == 61.52


def test_claims_that_cannot_be_looked_up_say_why(small: Path) -> None:
    """A passage that is not there, a row that is not unique, a figure that no claim covers."""
    (small / "results").mkdir()
    made = Table("speed", Column("what", ""), Column("seconds", ""), rows=[{"what": "search", "seconds": 1.0}])
    (small / "results" / "speed.json").write_text(json.dumps({"date": "2026-11-21", "tables": [made.to_json()]}))
    claim = {"page": "README.md", "own": {"table": "the-speed", "row": {"what": "search"}, "column": "seconds"}}
    with pytest.raises(LookupError, match=r"README\.md has this passage 0 times, not once: It took"):
        claims.look_up({**claim, "text": "It took {own:.0f} s"}, run.cell_of)
    with pytest.raises(KeyError, match=r"the table the-speed has 0 rows with \{'what': 'loop'\}, not 1"):
        run.cell_of("the-speed", {"what": "loop"}, "seconds")
    with pytest.raises(KeyError, match="the table the-speed has no column second, only what, seconds"):
        run.cell_of("the-speed", {"what": "search"}, "second")
    passage = {"page": "README.md", "from": "It takes", "to": "\n\n"}
    (small / "README.md").write_text("It takes 70 s. And 3 MB.\n\n")
    assert claims.unclaimed(passage, run.cell_of) == ["It takes 70 s. And 3 MB.  "]
    assert claims.unclaimed({**passage, "said": ["And 3 MB"]}, run.cell_of) == []


def test_a_claim_takes_the_mean_or_the_spread_of_a_cell(small: Path) -> None:
    """A cell of both needs to be told which."""
    (small / "results").mkdir()
    cell = {"mean": 0.949, "spread": 0.014}
    made = Table("speed", Column("what", ""), Column("seconds", ""), rows=[{"what": "search", "seconds": cell}])
    (small / "results" / "speed.json").write_text(json.dumps({"date": "2026-11-21", "tables": [made.to_json()]}))
    (small / "README.md").write_text("It takes 0.949 ± 0.014 s.\n")
    own = {"table": "the-speed", "row": {"what": "search"}, "column": "seconds"}
    claim = {"page": "README.md", "text": "It takes {own:.3f} ± {spread:.3f} s", "spread": {**own, "part": "spread"}}
    found = claims.look_up({**claim, "own": {**own, "part": "mean"}}, run.cell_of)
    assert [figure.measured for figure in found] == ["0.949", "0.014"]
    with pytest.raises(LookupError, match="part must be one of mean, spread in the table the-speed"):
        claims.look_up({**claim, "own": own}, run.cell_of)


def test_the_gpu_benchmark_goes_on_after_a_failure_and_where_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part has its table; what failed or found no time is named, and only that is measured the next time."""
    gpu = benchmark("gpu")
    assert set(gpu.PARTS) == set(gpu.COLUMNS) == set(run.GPU_PARTS)
    asked: list[str] = []
    answers = {
        "search:": ([{"trials": 40, "wanted": 100, "done": False}], ""),
        "memory:": ([{"too_large": "weights", "state": "infeasible"}], ""),
        "latency:": ([], "FoundWrongError: too slow"),
        "resume:": ([], gpu.OUT_OF_TIME),
    }

    def in_child(step: str, *_: Any) -> tuple[list[dict[str, Any]], str]:
        asked.append(step)
        rows, error = answers[step]
        return [dict(row) for row in rows], error

    monkeypatch.setattr(gpu, "_in_child", in_child)
    only = "latency,memory,search,resume"
    given = argparse.Namespace(folder=tmp_path, minutes=5.0, only=only, check=False, data=None, sharing="1")
    given.networks, given.types = "small", "float32"
    assert gpu._run_steps(given) == 1
    output = capsys.readouterr().out
    assert output.index("gpu-search") < output.index("gpu-memory") < output.index("not measured for want of time")
    assert output.endswith("not measured for want of time: search: resume:\nfailed: latency:\n")
    kept = json.loads((tmp_path / "results.json").read_text())
    assert [one["name"] for one in kept["tables"]] == ["gpu-search", "gpu-memory"]
    answers |= {step: ([{}], "") for step in answers}
    assert gpu._run_steps(given) == 0
    assert asked[4:] == ["latency:", "search:", "resume:"]
    given.minutes, given.only = 0.0, "tracking"
    assert gpu._run_steps(given) == 0
    assert capsys.readouterr().out.endswith("not measured for want of time: tracking:\n")


def test_live_searches_are_compared_by_what_they_found_and_when() -> None:
    """Half of the peer's time counts until its very end; searches without a counterpart are left out."""
    live = benchmark("live")

    def search(contender: str, seed: int, seconds: float, *ends: tuple[float, float | None]) -> dict[str, Any]:
        return {"contender": contender, "set": "digits", "seed": seed, "seconds": seconds, "test": 0.5, "ends": ends}

    lines = [
        search(live.OWN, 0, 100.0, (20.0, 0.7), (50.0, 0.8), (51.0, 0.9)),
        search(live.PEER, 0, 100.0, (10.0, 0.75), (90.0, 0.85)),
        search(live.OWN, 1, 60.0, (20.0, None), (40.0, 0.6)),
        search(live.PEER, 1, 60.0, (10.0, 0.6)),
        search(live.OWN, 2, 60.0, (20.0, 0.99)),
    ]
    (row,) = live.table(lines).rows
    assert (row["set"], row["seeds"], row["wins"]) == ("digits", 2, [1, 1, 0])
    assert row["own"] == pytest.approx(0.75)
    assert row["difference"] == pytest.approx(0.025)
    assert row["half"] == pytest.approx((0.8 + 0.0) / 2)
    assert (row["half_share"], row["interval"]) == (0.0, None)


def test_the_worst_set_against_tpe_is_told() -> None:
    """Differences are in normalised regret; without TPE among the strategies there is nothing to tell."""
    replay = benchmark("replay")

    def replays(found: Mapping[tuple[str, str], float]) -> list[Any]:
        return [
            replay.Replay(name, strategy, 0, [0.0, value], [1, 2], 0.0) for (name, strategy), value in found.items()
        ]

    ends = {("a", "own"): 0.9, ("a", "optuna-tpe"): 0.8, ("b", "own"): 0.5, ("b", "optuna-tpe"): 0.6}
    top, levels = {"a": 1.0, "b": 0.7}, {"a": 0.5, "b": 0.2}
    told = replay._worst_against_tpe(replays(ends), "own", top, levels)
    assert told == {"worst_against_tpe": pytest.approx(0.2)}
    alone = {key: value for key, value in ends.items() if key[1] == "own"}
    assert replay._worst_against_tpe(replays(alone), "own", top, levels) == {}


def test_a_goal_takes_the_figure_that_misses_it_by_the_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists stand for a figure each, a bound may be measured, and what was not measured is no miss."""
    cells = {("digits", "time"): 0.4, ("faces", "time"): 0.8, ("faces", "before"): 0.5, ("faces", "share"): 0.9}

    def cell_of(table: str, row: Mapping[str, str], column: str) -> Any:
        if table == "gpu":
            raise claims.NotMeasuredError
        return cells[row["set"], column]

    (tmp_path / "goals.toml").write_text("""
[[goals]]
what = "time"
at_most = 0.5
form = "{:.1f} s"
figures = [{ table = "peers", row = { set = ["digits", "faces"] }, column = "time" }]
[[goals]]
what = "share, a bound that is measured"
at_least = { table = "peers", row = { set = "faces" }, column = "before" }
figures = [{ table = "peers", row = { set = "faces" }, column = ["share", "time"] }]
[[goals]]
what = "saved"
at_least = 0.3
form = "{:.1f}"
[[goals.figures]]
table = "peers"
row = { set = "faces" }
column = "time"
minus = { table = "peers", row = { set = "faces" }, column = "before" }
[[goals]]
what = "on a GPU"
at_least = 0.9
figures = [{ table = "gpu", row = {}, column = "share" }]
""")
    monkeypatch.setattr(goals, "FILE", tmp_path / "goals.toml")
    assert goals.table(cell_of).cells() == [
        ["time", "at most 0.5 s", "0.8 s", "**missed**"],
        ["share, a bound that is measured", "at least 0.5", "0.8", "met"],
        ["saved", "at least 0.3", "0.3", "met"],
        ["on a GPU", "at least 0.9", "", "not measured"],
    ]


def test_each_fault_is_told_with_its_sentence_and_what_was_found(tmp_path: Path) -> None:
    """Cases of one test are counted together; a failed one shows, and one that cannot run here is no failure."""
    report = tmp_path / "report.xml"
    case = '<testcase classname="tests" name="{0}" time="{1}">{2}</testcase>'
    noted = '<properties><property name="measured" value="{0}"/></properties>'
    name = "test_an_outage_slows_no_training"
    cases = [
        case.format(f"{name}[20-down]", 60.2, noted.format("down")),
        case.format(f"{name}[20-hung]", 61.1, noted.format("hung") + '<failure message="slow"/>'),
        case.format("test_that_is_gone", 0.1, '<skipped message="needs root"/>'),
    ]
    report.write_text(f"<testsuites><testsuite>{''.join(cases)}</testsuite></testsuites>")
    made = Table("faults", *faults.MEASURED.columns)
    faults.fill(made, report)
    outage, gone = made.cells()
    assert outage[0].startswith("While the server is away the median epoch takes at most 1 % longer")
    assert outage[1:] == ["1 of 2", "121", "down; hung"]
    assert gone == ["that is gone", "not run", "", ""]
