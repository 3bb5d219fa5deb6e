"""The pages that Apertune writes, opened as files and without a network, as a person opens them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from apertune.search.evaluation.study_plots import study_figures, write_study_plots

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


def test_a_studys_plots_are_drawn_without_network(
    context: BrowserContext, page: Page, photograph: Callable[[str], None], tmp_path: Path
) -> None:
    """Every plot of the page is drawn at its given height without a request to any network."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: (t.suggest_float("</script>", 0, 1), t.suggest_categorical("b", ["x", "y"]) == "x"), 5)
    names = ["accuracy", "parameters"]
    (file,) = write_study_plots(study, tmp_path, names)
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
