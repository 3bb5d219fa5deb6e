"""The pages that Apertune writes, opened as files and without a network, as a person opens them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest

from apertune.search.evaluation.direction import Direction
from apertune.search.evaluation.study_plots import study_figures, write_study_plots
from apertune.search.reports.report import ReportData, write_report
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.trial_records import TrialRecord
from apertune.spaces.search_space.parameters import SearchSpace

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


def test_a_studys_plots_are_drawn_without_network(
    context: BrowserContext, page: Page, photograph: Callable[[str], None], tmp_path: Path
) -> None:
    """Every plot of the page is drawn at its given height without a request to any network."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("</script>", 0, 1), t.suggest_categorical("b", ["x", "y"]) == "x"), 5)
    names = ["accuracy", "parameters"]
    (file,) = write_study_plots(study, tmp_path, study_figures(study, names))
    context.set_offline(True)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.locator(".js-plotly-plot").last.wait_for()
    drawn = page.locator(".js-plotly-plot .main-svg").locator("xpath=ancestor::*[contains(@class,'js-plotly-plot')]")
    titles = [title for title, _ in study_figures(study, names)]
    page.wait_for_function(f"document.querySelectorAll('.js-plotly-plot').length === {len(titles)}")
    photograph("plots")
    assert drawn.count() >= len(titles)
    assert page.locator("h2").all_inner_texts() == titles
    assert titles[0] == "Pareto front"
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []
    heights = page.evaluate("[...document.querySelectorAll('.plot')].map(plot => plot.clientHeight)")
    assert min(heights) >= 400


@pytest.mark.parametrize("width", [1280, 390])
def test_a_report_fits_the_screen_and_unfolds(
    context: BrowserContext, page: Page, photograph: Callable[[str], None], tmp_path: Path, width: int
) -> None:
    """Nothing is wider than the page on a desk or a phone; a plot that is folded away is drawn when it is unfolded."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    names = ("weight_decay (adam, adamax, rmsprop, sgd)", "learning_rate (sgd)", "momentum", "a", "b", "c", "d")
    study.optimize(lambda trial: sum(trial.suggest_float(name, 0, 1) for name in names), 32)
    definition = StudyDefinition(
        dataset="faces", data="", task="multiclass", fingerprint="ab" * 32, space="convnet",
        search_space=SearchSpace(()).to_json(), objective="accuracy", direction=Direction.MAXIMIZE, epochs=3,
    )  # fmt: skip
    trials = [TrialRecord(number, "complete", number / 10, {"a": number}, epochs=3) for number in range(9)]
    histories = {8: [{"val_accuracy": 0.1 * epoch} for epoch in range(3)]}
    data = ReportData("faces", definition, trials, "now", histories=histories, plots=study_figures(study, ["accuracy"]))
    file = write_report(data, tmp_path / "report.html")
    context.set_offline(True)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(file.as_uri())
    page.locator(".js-plotly-plot").first.wait_for()
    assert page.locator(".js-plotly-plot").count() == 1
    assert page.evaluate("document.documentElement.scrollHeight") < 4000
    for title in ("Slice", "Parallel coordinate", "Importance"):
        page.get_by_text(title, exact=True).click()
    page.wait_for_function("document.querySelectorAll('details[open] .js-plotly-plot .main-svg').length >= 3")
    photograph("unfolded")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
