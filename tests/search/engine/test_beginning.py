"""Configurations that are tried first: of the portfolio, of earlier studies, and never more than a third."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_study import Bench, train

from apertune.search.engine import beginning
from apertune.search.engine.beginning import begin
from apertune.search.settings import SearchSettings, make_home
from apertune.search.studies.study import Study


def begun(study: Study, folder: Path, url: str, **settings: object) -> list[str]:
    lines: list[str] = []
    home = make_home({}, root=folder / "home", storage=url)
    begin(study, SearchSettings(**settings), home, (), lines.append)  # type: ignore[arg-type]  # names are given
    return lines


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = [{"rate": 0.05 * number} for number in range(1, 9)]
    monkeypatch.setattr(beginning, "portfolio_of", lambda space, task: rates if space == "pretended" else ())


def rates(bench: Bench) -> list[float]:
    return [round(float(record.params["rate"]), 3) for record in bench.study.records()]


@pytest.mark.usefixtures("shipped")
def test_the_portfolio_follows_the_defaults(tmp_path: Path) -> None:
    """A third of the trials at most comes from the portfolio, in its order, after the defaults."""
    bench = Bench(tmp_path)
    lines = begun(bench.study, tmp_path, bench.url, trials=9)
    bench.run(train, 9)
    assert rates(bench)[:4] == [0.5, 0.05, 0.1, 0.15]
    assert 0.2 not in rates(bench)[:9]
    assert lines == ["Tries 3 configurations of the portfolio after the defaults."]


@pytest.mark.usefixtures("shipped")
def test_a_study_that_goes_on_begins_with_nothing(tmp_path: Path) -> None:
    """The second search of a study takes up where the first ended."""
    bench = Bench(tmp_path)
    bench.run(train, 2)
    assert begun(bench.study, tmp_path, bench.url, trials=9) == []


@pytest.mark.usefixtures("shipped")
def test_the_portfolio_can_be_left_out(tmp_path: Path) -> None:
    """`--portfolio none` begins with the defaults alone."""
    bench = Bench(tmp_path)
    assert begun(bench.study, tmp_path, bench.url, trials=9, portfolio="none") == []
    bench.run(train, 2)
    assert rates(bench)[0] == 0.5
    assert rates(bench)[1] != 0.05


@pytest.mark.usefixtures("shipped")
def test_earlier_studies_come_before_the_portfolio(tmp_path: Path) -> None:
    """The best of each earlier study of the space is tried; what is left of the third is the portfolio's."""
    earlier = Bench(tmp_path, name="earlier")
    earlier.run(train, 4)
    best = max(rates(earlier))
    other = Bench(tmp_path, name="other-space", dataset="more")
    other.run(train, 1)
    bench = Bench(tmp_path, name="new")
    lines = begun(bench.study, tmp_path, bench.url, trials=9, from_studies="all")
    bench.run(train, 4)
    assert rates(bench)[0] == 0.5
    assert best in rates(bench)[:3]
    assert any("earlier studies" in line for line in lines)
    assert 0.05 in rates(bench)
