"""A search seen in MLflow's UI as a person sees it. All tests are slow: they need a search, a server and a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient
from tracking_server import free_port, wait_until_healthy

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

TRIALS = 4
COLUMNS = ("objective", "state", "trial_seconds", "kernel_size")
SEARCH = (
    "search", "digits", "--json", "--trials", str(TRIALS), "--epochs", "2", "--workers", "1", "--pruner", "none",
    "--fix", "blocks=1", "--fix", "convolutions=1", "--fix", "filters=16", "--limit", "400",
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """MLflow's UI after a search."""

    url: str
    experiment: str
    document: dict[str, Any]
    """The JSON that the search printed."""
    search_run: str
    table: str
    """The address of the study's trials that `apertune ui` printed."""

    def page(self, route: str) -> str:
        return f"{self.url}/#/{route}"

    def run(self, run_id: str, *artifact: str) -> str:
        return self.page("/".join(["experiments", self.experiment, "runs", run_id, *artifact]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Site]:
    """A search on digits, and `apertune ui` on its results."""
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    environment = {**os.environ, "APERTUNE_CACHE": str(folder / "cache")}
    apertune = [sys.executable, "-m", "apertune"]
    with (folder / "search.log").open("wb") as log:
        printed = subprocess.check_output([*apertune, *SEARCH], cwd=folder, env=environment, stderr=log)
    with (folder / "ui.log").open("wb") as log:
        process = subprocess.Popen([*apertune, "ui", "--port", str(port)], cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(port, process)
        client = MlflowClient(url)
        experiment = client.get_experiment_by_name("digits").experiment_id
        (search,) = client.search_runs([experiment], "tags.kind = 'search'")
        (table,) = re.findall("^Study digits-convnet, best trials first: (.*)$", _said(folder / "ui.log"), re.MULTILINE)
        yield Site(url, experiment, json.loads(printed), search.info.run_id, table)
    finally:
        process.terminate()
        process.wait(30)


def _said(log: Path) -> str:
    """Returns what the UI printed, once it printed all: it answers a little before."""
    for _ in range(100):
        if "A data set is an experiment" in log.read_text():
            break
        time.sleep(0.2)
    return log.read_text()


def test_the_printed_address_opens_the_studys_table(site: Site, page: Page, photograph: Callable[[str], None]) -> None:
    """The address that `apertune ui` prints is the table of the study's trials with the objective, in the part of
    MLflow's pages that is about training, without a click."""
    page.goto(site.table)
    page.get_by_text("digits-convnet #").first.wait_for()
    photograph("opened")
    assert page.get_by_text("digits-convnet: trials, best first").is_visible()
    assert page.get_by_role("columnheader", name="objective").first.is_visible()
    assert page.get_by_role("gridcell", name="complete").count() == TRIALS


def test_the_runs_table_opens_with_the_best_trial_first(
    site: Site, page: Page, photograph: Callable[[str], None]
) -> None:
    """The study's saved view lists only its trials, best first, with objective, state and parameters in this order."""
    page.goto(site.page(f"experiments/{site.experiment}/runs"))
    page.get_by_role("button", name="Views").click()
    page.get_by_text("digits-convnet: trials, best first").click()
    expected = [f"digits-convnet #{trial['number']}" for trial in site.document["trials"]]
    # The page has the rows in any order and places them by their height.
    page.wait_for_function(
        """expected => {
            const links = [...document.links].filter(link => link.innerText.includes("digits-convnet #"));
            const top = link => link.getBoundingClientRect().top;
            return links.sort((a, b) => top(a) - top(b)).map(link => link.innerText).join() === expected.join();
        }""",
        arg=expected,
    )
    photograph("table")
    headers = page.evaluate(
        """() => [...document.querySelectorAll("[role=columnheader]")]
            .sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left)
            .map(header => header.innerText.trim())"""
    )
    assert list(dict.fromkeys(header for header in headers if header in COLUMNS)) == list(COLUMNS)
    assert page.get_by_role("gridcell", name="complete").count() == TRIALS


def test_the_compare_page_draws_its_plots(site: Site, page: Page, photograph: Callable[[str], None]) -> None:
    """Parallel coordinates show numbers as numbers, and the scatter plot has one point per trial."""
    runs = json.dumps([trial["run_id"] for trial in site.document["trials"]])
    page.goto(site.page(f"compare-runs?runs={runs}&experiments={json.dumps([site.experiment])}"))
    page.get_by_text(f"Comparing {TRIALS} Runs from 1 Experiment").wait_for()
    page.locator(".js-plotly-plot .parcoords").first.wait_for()
    photograph("parallel")
    axes = page.evaluate("document.querySelector('.js-plotly-plot').data[0].dimensions.map(axis => axis.label)")
    assert "batch_size" in axes
    values = page.evaluate(
        "document.querySelector('.js-plotly-plot').data[0].dimensions.find(axis => axis.label === 'batch_size').values"
    )
    assert sorted(values) == sorted(trial["params"]["batch_size"] for trial in site.document["trials"])
    page.get_by_role("tab", name="Scatter Plot").click()
    page.wait_for_function("[...document.querySelectorAll('.js-plotly-plot')].some(p => p.data[0].mode === 'markers')")
    photograph("scatter")
    drawn = page.evaluate("[...document.querySelectorAll('.js-plotly-plot')].map(plot => plot.data[0].y?.length)")
    assert TRIALS in drawn


def test_a_runs_artifacts_open(site: Site, page: Page, photograph: Callable[[str], None]) -> None:
    """Plots open as pictures and tables as tables in the artifact view of the best trial's run."""
    best = site.document["trials"][0]["run_id"]
    page.goto(site.run(best, "artifacts", "confusion_matrix.png"))
    picture = page.locator("img.image-outer-container, .image-outer-container img, img[src^='blob:']").first
    picture.wait_for()
    photograph("confusion")
    page.wait_for_function("[...document.images].some(image => image.naturalWidth > 300)")
    page.goto(site.run(best, "artifacts", "scores.csv"))
    page.reload()
    page.get_by_text("class_frequencies_alone").first.wait_for()
    photograph("scores")
    assert page.get_by_text("macro_f1", exact=True).count() >= 1


@pytest.mark.parametrize("file", ["study_plots.html", "report.html"])
def test_the_searchs_pages_work_inside_mlflow(
    site: Site, page: Page, photograph: Callable[[str], None], file: str
) -> None:
    """Plots and report are drawn in the sandboxed frame in which MLflow shows HTML."""
    page.goto(site.run(site.search_run, "artifacts", file))
    frame = page.frame_locator("iframe")
    frame.locator(".js-plotly-plot").last.wait_for()
    photograph("frame")
    if file == "study_plots.html":
        assert {"History", "Intermediate values", "Timeline"} <= set(frame.locator("h2").all_inner_texts())
    else:
        best = site.document["trials"][0]
        assert frame.locator(".verdict").inner_text().startswith(f"Trial {best['number']} is the best: ")
        assert frame.locator(".js-plotly-plot").count() == 1
        frame.get_by_text("Timeline").click()
        frame.locator("details[open] .js-plotly-plot").wait_for()
        assert frame.locator("img").count() >= 4
        widths = frame.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
        assert min(widths) > 200


def test_the_searchs_run_tells_what_it_was(site: Site, page: Page, photograph: Callable[[str], None]) -> None:
    """The search's run has a description, its best trial as tags, and its data set by name."""
    page.goto(site.run(site.search_run))
    page.get_by_text("Searches the space").wait_for()
    photograph("run")
    text = page.locator("body").inner_text().replace("\n: ", ": ")
    assert f"best_trial: {site.document['trials'][0]['number']}" in text
    assert "best_value:" in text
    assert "digits (" in text


def test_the_uis_own_links_stay_on_loopback(site: Site, page: Page) -> None:
    """Nothing that the UI's first page needs comes from anywhere else."""
    asked: set[str] = set()
    page.on("requestfinished", lambda request: asked.add(request.url))
    page.goto(site.page(f"experiments/{site.experiment}/runs"))
    page.get_by_text("search digits-convnet").wait_for()
    assert {url for url in asked if not url.startswith((site.url, "data:", "blob:"))} == set()
